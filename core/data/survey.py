"""Reading every picture of a data set once, in a process of its own, and keeping what was seen beside the data set.

``python -m core.data.survey DATASET`` writes ``DATASET/.cache/survey.parquet`` (one row a slice), ``alike.parquet`` (pairs of
slices that look alike) and, while it works, its progress to ``survey.json``. The folder may be deleted at any time.
"""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.cli.command import run_command
from core.cli.progress import ReportProgress
from core.data.duplicates import HASH_WORDS, difference_hash, near_pairs
from core.data.images import read_image
from core.data.index import SPLITS, UNLABELLED, DatasetIndex, load_index
from core.data.manifest import FILE_NAME
from core.data.scan import Scan, SliceFile
from core.errors import BusyError, DatasetError, GutCheckError, WorkspaceError
from core.labels import ORGANS
from core.storage.files import read_json, write_json, write_whole
from core.storage.locks import locked
from core.storage.processes import ProcessIdentity, stated_process
from core.storage.workspace import PROJECT_ROOT

SURVEY_FORMAT = 1
READERS = 2
"""Threads that decode pictures; more would be felt on the page that waits."""
REPORT_S = 1.0
HASH_COLUMNS = [f"hash{word}" for word in range(HASH_WORDS)]


@dataclass(frozen=True)
class SurveyState:
    """``survey.json``: how far the survey of a data set is."""

    state: Literal["absent", "running", "ready", "outdated", "failed"]
    done: int = 0
    total: int = 0
    message: str = ""
    """On a failure, the reason in one sentence."""
    pid: int | None = None
    process: ProcessIdentity | None = None
    """Whoever reads the pictures; older files have only ``pid``."""
    stamp: str = ""
    """Identity of the folders that were read, see `stamp_of`."""
    format: int = SURVEY_FORMAT


@dataclass(frozen=True)
class SurveyPaths:
    """Where a survey lies."""

    dataset: Path

    @property
    def folder(self) -> Path:
        return self.dataset / ".cache"

    @property
    def state(self) -> Path:
        return self.folder / "survey.json"

    @property
    def slices(self) -> Path:
        return self.folder / "survey.parquet"

    @property
    def alike(self) -> Path:
        return self.folder / "alike.parquet"


def stamp_of(root: Path) -> str:
    """Changes when a picture is added, removed or replaced by renaming, or ``dataset.json`` is written; reads no picture."""
    places = [root / FILE_NAME, *(root / split / kind for split in (*SPLITS, UNLABELLED) for kind in ("images", "masks"))]
    return "-".join(str(place.stat().st_mtime_ns) for place in places if place.exists())


def survey_state(root: Path) -> SurveyState:
    """How far the survey of a data set is; a process that died without a word counts as failed."""
    try:
        state = SurveyState(**read_json(SurveyPaths(root).state))
        state = replace(state, process=stated_process(state.process, state.pid))
    except (WorkspaceError, TypeError):
        return SurveyState("absent")
    if state.state == "running" and (state.process is None or not state.process.lives()):
        return replace(state, state="failed", message="Reading the pictures was cut off.")
    if state.state == "ready" and (state.stamp != stamp_of(root) or state.format != SURVEY_FORMAT):
        return replace(state, state="outdated")
    return state


def start_survey(root: Path) -> None:
    """Begin to read a data set in a process of its own, unless that is being done.

    Raises:
        BusyError: somebody else is starting it.
        DatasetError: the folder cannot be written, or the process cannot be started.
    """
    try:
        with locked(SurveyPaths(root).folder / ".survey.lock"):
            if survey_state(root).state == "running":
                return
            process = _spawn(root)
    except BusyError:
        raise
    except (OSError, WorkspaceError) as error:
        todo = "let the dashboard write there, or copy the data set to where it may"
        raise DatasetError("The survey cannot be kept beside the data set", value=root, todo=todo) from error
    threading.Thread(target=process.wait, daemon=True).start()


def _spawn(root: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "core.data.survey", str(root.resolve())]
    # Until the process says so itself: whoever asks meanwhile must not start a second one.
    _write(root, SurveyState("running", process=ProcessIdentity.own()))
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, stdout=nowhere, stderr=nowhere)
    _write(root, SurveyState("running", process=ProcessIdentity.of(process.pid)))
    return process


def read_survey(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the survey saw: one row a slice (see `survey`), and pairs that look alike (see `core.data.duplicates.near_pairs`).

    Raises:
        DatasetError: there is none, or it is damaged.
    """
    paths = SurveyPaths(root)
    try:
        return pd.read_parquet(paths.slices), pd.read_parquet(paths.alike)
    except (OSError, ValueError) as error:
        raise DatasetError("The survey of the data set is damaged", value=paths.folder, todo="read the pictures again") from error


def survey(index: DatasetIndex, progress: ReportProgress) -> pd.DataFrame:
    """Read every slice of a data set.

    Returns:
        One row a slice: split, patient, scan, day, slice, name, height, width, bits (8 or 16), pixels of each organ by its name
        (0 without a reference), the words of its difference hash (hash0 …), and ``problem``: why a picture cannot be read; then
        the counts are 0.
    """
    tasks = [(split, scan, each) for split, scans in index.splits.items() for scan in scans for each in scan.slices]
    rows = []
    with ThreadPoolExecutor(READERS) as pool:
        for done, row in enumerate(pool.map(lambda task: _row(*task), tasks), start=1):
            rows.append(row)
            progress(done, len(tasks), row["scan"])
    table = pd.DataFrame(rows).astype({"day": "Int64"})
    return table.astype(dict.fromkeys(HASH_COLUMNS, "uint64"))


def _row(split: str, scan: Scan, each: SliceFile) -> dict[str, Any]:
    who = {"split": split, "patient": scan.patient, "scan": scan.id, "day": scan.day, "slice": each.name.number}
    row = who | {"name": each.name.stem, "height": 0, "width": 0, "bits": 0, "problem": ""}
    row |= {organ.name: 0 for organ in ORGANS} | dict.fromkeys(HASH_COLUMNS, 0)
    try:
        image, mask = (read_image(each.image), None) if each.mask is None else each.read()
    except GutCheckError as error:
        return row | {"problem": f"{error.what}; {error.todo}."}
    counts = np.bincount([] if mask is None else mask.ravel(), minlength=len(ORGANS) + 1)
    seen = {"height": image.shape[0], "width": image.shape[1], "bits": image.dtype.itemsize * 8}
    seen |= {organ.name: int(counts[organ.id]) for organ in ORGANS}
    return row | seen | dict(zip(HASH_COLUMNS, difference_hash(image).tolist(), strict=True))


def make_survey(root: Path, report: Callable[[SurveyState], None]) -> None:
    """Read a data set and keep what was seen.

    Raises:
        DatasetError: the folder holds no data set.
        WorkspaceError: the folder cannot be written.
    """
    stamp = stamp_of(root)
    index = load_index(root)
    last = time.monotonic()

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_S:
            last = time.monotonic()
            report(SurveyState("running", done, total))

    table = survey(index, progress)
    report(SurveyState("running", len(table), len(table), "Comparing pictures with each other."))
    alike = near_pairs(table[HASH_COLUMNS].to_numpy(np.uint64), pd.factorize(table["scan"])[0].astype(np.int64))
    for path, content in _packed(SurveyPaths(root), table, alike):
        write_whole(path, content)
    report(SurveyState("ready", len(table), len(table), stamp=stamp))


def _packed(paths: SurveyPaths, table: pd.DataFrame, alike: pd.DataFrame) -> Iterator[tuple[Path, bytes]]:
    for path, frame in ((paths.slices, table), (paths.alike, alike)):
        content = io.BytesIO()
        frame.to_parquet(content, index=False)
        yield path, content.getvalue()


def _write(root: Path, state: SurveyState) -> None:
    write_json(SurveyPaths(root).state, asdict(state))


def main(folder: str) -> None:
    """Survey the data set in ``folder``; a failure is written to its state and raised again."""
    root = Path(folder).resolve()
    if hasattr(os, "nice"):
        os.nice(10)
    try:
        make_survey(root, lambda state: _write(root, replace(state, process=ProcessIdentity.own())))
    except GutCheckError as error:
        _write(root, SurveyState("failed", message=str(error)))
        raise


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1])))
