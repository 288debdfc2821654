"""Many readers at once, and a server that is killed in the middle: nothing lost, nothing twice, nothing handed to two."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.reviews.store.events import Round
from core.reviews.store.store import ReviewStore
from tests.core.reviews.readers_at_work import Said, crowd
from tests.core.reviews.scans import EVALUATION, RUN

ROOT = Path(__file__).resolve().parents[4]


def check(path: Path, said: set[Said], *, scans: int, readers_per_scan: int = 1) -> None:
    """Everything that was said is stored once, each scan went to as many readers as asked for, and the chain holds."""
    store = ReviewStore.open(path)
    verdicts = [event for event in store.history() if event.kind == "verdict"]
    stored = [(event.reader, event.subject.scan, event.id) for event in verdicts]
    assert said <= set(stored)
    assert len(stored) == len({(reader, scan) for reader, scan, _ in stored}) == scans * readers_per_scan
    reviews = store.reviews(run=RUN, evaluation=EVALUATION)
    assert {len(review.standing) for review in reviews.values()} == {readers_per_scan}
    assert store.verify() is None
    store.close()


def test_twenty_readers_at_once(path: Path) -> None:
    said: list[Said] = []
    crowd(path, readers=20, scans=200, tell=said.append)
    assert len(said) == 200
    check(path, set(said), scans=200)


def test_two_readers_for_each_scan(path: Path) -> None:
    store = ReviewStore.open(path)
    store.set_round(RUN, EVALUATION, Round("Twice", readers_per_scan=2), by="Dr Lead")
    store.close()
    said: list[Said] = []
    crowd(path, readers=6, scans=30, tell=said.append)
    check(path, set(said), scans=30, readers_per_scan=2)


@pytest.mark.long
def test_the_server_killed_in_the_middle(path: Path) -> None:
    said = killed_again_and_again(path, kills=2, readers=6, scans=120)
    check(path, said, scans=120)


def killed_again_and_again(path: Path, *, kills: int, readers: int, scans: int) -> set[Said]:
    """Start a server process again and again, SIGKILL it after a share of the verdicts; what it had acknowledged."""
    said: set[Said] = set()
    command = [sys.executable, "-m", "tests.core.reviews.readers_at_work", str(path), str(readers), str(scans)]
    for kill in range(1, kills + 2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            # The last line may be cut off by the kill; what was not printed whole was not acknowledged.
            if line.endswith("\n"):
                reader, scan, event_id = line.rstrip("\n").split("\t")
                said.add((reader, scan, event_id))
            if kill <= kills and len(said) >= scans * kill // (kills + 1):
                process.kill()
        process.stdout.close()
        assert process.wait() == (-9 if kill <= kills else 0)
    return said
