"""Readers at work on a server that is killed or runs out of disk: what they were told is stored, against what is."""

import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.exceptions import WebSocketException

from core.data.index import load_index
from core.data.masks import read_label_volume
from core.imaging.scan_payload import payload_etag
from core.reviews.corrections import read_correction
from core.reviews.store.events import Verdict
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from dashboard.web.correction_route import HEADER, MAGIC, PREFIX, pack
from tests.browser.conftest import ROOT, free_port, served
from tests.browser.small_workspace import RUN
from tests.page_client import open_tab
from tests.patience import WAIT_S, wait_until

EVALUATION = "small-valid"
VERDICTS = tuple(Verdict)


@dataclass
class Said:
    """What readers sent, and what they were told; each by a mark of its own: a verdict's comment, a correction's event id."""

    sent: set[str] = field(default_factory=set)
    acknowledged: dict[str, str] = field(default_factory=dict)
    """By mark; of a correction the hash of its mask, else empty."""
    refused: list[str] = field(default_factory=list)
    """Sentences."""
    failed: list[BaseException] = field(default_factory=list)
    """What ended a reader's work for good."""

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Wait for a state, unless a reader fails."""
        wait_until(lambda: bool(self.failed) or reached())
        assert self.failed == []


@dataclass(frozen=True)
class Figures:
    """What came of it."""

    acknowledged: int
    stored: int
    lost: int
    twice: int
    in_flight: int
    """Stored, but killed before the reader was told."""


Work = Callable[[str, int, Said, threading.Event], None]
"""What one reader does at an address until an event is set or the server is gone; numbered from 0."""


def work_of(kind: str, workspace: Path) -> Work:
    """What a reader does who says verdicts or draws corrections, each on a scan of one's own."""
    evaluation = evaluation_of(workspace)
    scans = [scan.id for scan in load_index(evaluation.dataset_root).scans(evaluation.split)]
    return _judging(scans) if kind == "verdict" else _correcting(evaluation, scans)


def _judging(scans: Sequence[str]) -> Work:
    """One verdict after another."""

    def work(address: str, number: int, said: Said, stop: threading.Event) -> None:
        reader = f"Dr {number}"
        with open_tab(address, reader=reader, run=RUN, evaluation=EVALUATION, scan=scans[number]) as tab:
            while not stop.is_set():
                mark = f"{reader} {time.monotonic_ns()}"
                said.sent.add(mark)
                verdict = VERDICTS[len(said.sent) % len(VERDICTS)]
                for words in tab.say(verdict, mark):
                    if words.startswith(f"Saved: {verdict.label}, "):
                        said.acknowledged[mark] = ""
                    elif not words.startswith("Saved"):
                        said.refused.append(words)

    return work


def _correcting(evaluation: Evaluation, scans: Sequence[str]) -> Work:
    """One correction after another, each of another mask."""

    def work(address: str, number: int, said: Said, stop: threading.Event) -> None:
        scan = scans[number]
        prediction = read_label_volume(evaluation.paths.mask(scan))
        random = np.random.default_rng(time.monotonic_ns())
        url = f"{address}{PREFIX}/{evaluation.run}/{evaluation.name}/{scan}"
        while not stop.is_set():
            volume = prediction.copy()
            volume.flat[random.integers(volume.size, size=200)] = random.integers(4, size=200)
            mark = f"{number}-{time.monotonic_ns()}"
            body = _body(mark, payload_etag(evaluation, scan), f"Dr {number}", volume)
            said.sent.add(mark)
            answer = httpx.post(url, content=body, headers={HEADER: "1"}, timeout=WAIT_S)
            if answer.status_code == 201:
                said.acknowledged[mark] = answer.json()["sha256"]
            else:
                said.refused.append(answer.text)

    return work


def _body(mark: str, version: str, reader: str, volume: np.ndarray) -> bytes:
    header = {"id": mark, "version": version, "reader": reader, "base": "prediction", "seconds": 1.0}
    raw = json.dumps(header).encode()
    return gzip.compress(MAGIC + struct.pack("<I", len(raw)) + raw + pack(volume))


@contextmanager
def at_work(work: Work, address: str, readers: int) -> Iterator[Said]:
    """So many readers at work, who come back whenever the server does; joined at the end."""
    said, stop = Said(), threading.Event()

    def keep_on(number: int) -> None:
        while not stop.is_set():
            try:
                work(address, number, said, stop)
            except (OSError, WebSocketException, httpx.TransportError):
                stop.wait(0.2)  # it is gone, or not yet there
            except BaseException as error:
                said.failed.append(error)
                return

    threads = [threading.Thread(target=keep_on, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield said
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert said.failed == []


def killed_again_and_again(workspace: Path, work: Work, *, kills: int, readers: int, each: int, log: Path) -> Said:
    """SIGKILL the server whenever ``each`` more were acknowledged; the last life ends by SIGKILL, too."""
    port = free_port()
    with at_work(work, f"http://127.0.0.1:{port}", readers) as said:
        for _ in range(kills):
            with served(workspace, log, port=port) as dashboard:
                wanted = len(said.acknowledged) + each
                said.wait_until(lambda wanted=wanted: len(said.acknowledged) >= wanted)  # type: ignore[misc]
                dashboard.process.kill()
                assert dashboard.process.wait() == -9
    return said


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No byte is left on the file system of a folder."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory, where every user may look. Raises: CalledProcessError: this one may not mount it."""
    folder = Path(tempfile.mkdtemp(prefix="gutcheck-disk-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        folder.rmdir()


def evaluation_of(workspace: Path) -> Evaluation:
    return open_run(Workspace(workspace).run(RUN).root).evaluation(EVALUATION)


def compare(workspace: Path, said: Said, kind: str) -> Figures:
    """Acknowledged against stored; every stored mask is whole, and the chain holds for ``python -m core.reviews verify``."""
    store = ReviewStore.open(Workspace(workspace).reviews_db)
    events = [event for event in store.history() if event.kind == kind]
    store.close()
    marks = Counter(_mark(event) for event in events)
    for event in events if kind == "correction" else []:
        read_correction(Workspace(workspace), event.payload["mask_sha256"])
    stored_hashes = {event.id: event.payload.get("mask_sha256", "") for event in events} if kind == "correction" else {}
    assert all(stored_hashes[mark] == digest for mark, digest in said.acknowledged.items() if digest and mark in stored_hashes)
    assert marks.keys() <= said.sent
    verify = [sys.executable, "-m", "core.reviews", "verify", "--workspace", str(workspace)]
    done = subprocess.run(verify, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    known = said.acknowledged.keys()
    return Figures(
        acknowledged=len(known),
        stored=sum(marks.values()),
        lost=len(known - marks.keys()),
        twice=sum(count > 1 for count in marks.values()),
        in_flight=len(marks.keys() - known),
    )


def _mark(event: Any) -> str:
    return str(event.id if event.kind == "correction" else event.payload["comment"])
