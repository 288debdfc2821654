"""What a run leaves on disk while it goes: its folder, settings, manifest, state and log."""

import csv
import io
import logging
import logging.handlers
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from core.config import InputRecipe, TrainingConfig
from core.data.index import SPLITS, DatasetIndex
from core.data.manifest import hash_files
from core.errors import DatasetError, WorkspaceError
from core.runs.registry import RunStatus, read_status, write_status
from core.runs.settings import RunSettings
from core.storage.files import read_json, write_json, write_whole
from core.storage.workspace import RunPaths
from core.versions import git_commit, package_versions
from training.run.ranks import is_first

RUN_FORMAT = "gutcheck-run/1"


def check_name_is_free(paths: RunPaths) -> None:
    """Check that a run may be started in this folder: new, empty, or queued by whoever started this process.

    Raises:
        WorkspaceError: another run is there.
    """
    if not paths.root.exists() or not any(paths.root.iterdir()):
        return
    queued = paths.status.exists() and read_status(paths).state == "queued"
    if not queued or paths.manifest.exists():
        raise WorkspaceError("There is a run of that name already", value=paths.root, todo="choose another --run")


def note_resumed(paths: RunPaths, *, epoch: int) -> None:
    """Add to the manifest that the run was taken up again, by which versions and after how many epochs."""
    content = read_json(paths.manifest)
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": epoch,
        "git_commit": git_commit(),
        "versions": package_versions(),
    }
    write_json(paths.manifest, content | {"resumed": [*content.get("resumed", []), entry]})


def check_same_data(paths: RunPaths, index: DatasetIndex) -> None:
    """Check that a data set is the one that the run has begun with.

    Raises:
        DatasetError: patients, scans or files differ.
        WorkspaceError: the manifest is missing or damaged.
    """
    stated = read_json(paths.manifest).get("splits", {})
    hashes = {} if index.manifest.files else hash_files(index.root)
    changed = [split for split in SPLITS if _describe_split(index, split, hashes) != stated.get(split)]
    if changed:
        what = f"The data set is not the one that the run began with (split {', '.join(changed)})"
        raise DatasetError(what, value=index.root, todo="restore it, or start a new run")


def write_settings(paths: RunPaths, index: DatasetIndex, training: TrainingConfig, recipe: InputRecipe) -> None:
    """Write ``config.yaml``: every setting and the data set, in the flat keys that ``fit --config`` reads."""
    settings = {"data": str(index.root.resolve())} | RunSettings(training, recipe).plain()
    write_whole(paths.config, yaml.safe_dump(settings, sort_keys=False).encode())


def write_manifest(paths: RunPaths, index: DatasetIndex, seed: int) -> None:
    """Write ``manifest.json``: versions, seed, commit, and the patients and file hashes of every split."""
    hashes = {} if index.manifest.files else hash_files(index.root)
    content = {
        "format": RUN_FORMAT,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "git_commit": git_commit(),
        "versions": package_versions(),
        "dataset": {
            "name": index.name,
            "root": str(index.root.resolve()),
            "synthetic": index.manifest.synthetic,
            "split": index.manifest.split,
        },
        "splits": {split: _describe_split(index, split, hashes) for split in SPLITS},
    }
    write_json(paths.manifest, content)


def _describe_split(index: DatasetIndex, split: str, hashes: dict[str, str]) -> dict[str, Any]:
    scans = index.splits.get(split, ())
    files = index.file_hashes(split) or {path: digest for path, digest in hashes.items() if path.startswith(f"{split}/")}
    return {
        "patients": sorted(index.patients(split)),
        "unparsed": index.unparsed(split),
        "scans": [scan.id for scan in scans],
        "slices": sum(len(scan.slices) for scan in scans),
        "files": files,
    }


class StatusFile:
    """``status.json`` of this process's run; of several processes only the first writes it."""

    PAUSE_S = 1.0
    """Shortest time between two heartbeats."""

    def __init__(self, paths: RunPaths, *, epochs: int, before: RunStatus | None = None) -> None:
        """
        Args:
            before: where the run stood, if it is taken up again.
        """
        began = before.started_at if before and before.started_at else time.time()
        self.paths, self.resumed = paths, before is not None
        self.written = False
        self.refused = False
        """Whether the run turned out to be somebody else's."""
        self.status = RunStatus("running", started_at=began, epochs=epochs).of_this_process()
        self._written_at = 0.0

    def write(self, **changes: Any) -> None:
        """Change fields and write the file."""
        self.status = replace(self.status, **changes)
        self._written_at, self.written = time.monotonic(), True
        if is_first():
            write_status(self.paths, self.status)

    def beat(self, **changes: Any) -> None:
        """Change fields, and write the file unless that was done a moment ago."""
        if time.monotonic() - self._written_at >= self.PAUSE_S:
            self.write(**changes)
        else:
            self.status = replace(self.status, **changes)


class MetricsFile:
    """``metrics.csv``: one row an epoch, written whole; an undefined value is empty."""

    def __init__(self, path: Path, columns: Sequence[str], *, keep_epochs: int = 0) -> None:
        """
        Args:
            keep_epochs: go on after this many epochs of the file that is there; later rows are made anew.
        """
        self.path, self.columns = path, list(columns)
        self.rows: list[dict[str, Any]] = []
        if keep_epochs and path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                found = [{key: row.get(key, "") for key in self.columns} for row in csv.DictReader(file)]
            self.rows = [row for row in found if int(row["epoch"] or 0) <= keep_epochs]
            self._write()

    def add(self, row: dict[str, Any]) -> None:
        """Add an epoch and write the file."""
        self.rows.append(row)
        self._write()

    def best_row(self, monitor: str) -> dict[str, float]:
        """The scores of the epoch with the highest ``monitor``; of none where there is none."""
        scored = [row for row in self.rows if row.get(monitor) not in ("", None)]
        best = max(scored, key=lambda row: float(row[monitor]), default={})
        return {key: float(value) for key, value in best.items() if value not in ("", None)}

    def _write(self) -> None:
        if not is_first():
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, text.getvalue().encode())


class RunLog:
    """What a run says: printed, and kept in ``train.log`` with the time. Names of patients and files never go in.

    Of several processes only the first says anything.
    """

    def __init__(self) -> None:
        self._logger = logging.Logger("gutcheck.run", logging.INFO)
        # What is said before the run's folder exists is kept until it does.
        self._early = logging.handlers.MemoryHandler(1000, flushLevel=logging.CRITICAL + 1)
        self._logger.addHandler(self._early)
        self._file: logging.FileHandler | None = None

    def say(self, text: str) -> None:
        """Print a line and log it."""
        if is_first():
            # Nobody may be reading any more, or the disk be full: no reason to end a run.
            with suppress(OSError):
                print(text, flush=True)
        self.note(text)

    def note(self, text: str, *, trace: BaseException | None = None) -> None:
        """Log a line without printing it, with the traceback of ``trace``."""
        self._logger.info(text, exc_info=trace)

    def open(self, path: Path) -> None:
        """Log to this file from now on, beginning with what was said before."""
        if not is_first():
            return
        self._file = logging.FileHandler(path, encoding="utf-8")
        self._file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._logger.removeHandler(self._early)
        self._logger.addHandler(self._file)
        self._early.setTarget(self._file)
        self._early.flush()
        for name in LIBRARIES:
            logging.getLogger(name).addHandler(self._file)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            for name in LIBRARIES:
                logging.getLogger(name).removeHandler(self._file)
            self._file.close()
        self._early.setTarget(None)
        self._early.close()


LIBRARIES = ("pytorch_lightning", "py.warnings")
"""Whose messages belong in the run's log."""
