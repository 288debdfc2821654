"""How fast the worklist filters and hands out scans, and how fast twenty readers are stored, killed servers included.

``make bench``, or ``python -m pytest tests/benchmarks/test_worklist.py -m benchmark -s``.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.reviews.queue.filters import WorklistFilter
from core.reviews.queue.scan_table import ScanTable
from core.reviews.queue.worklist import Worklist
from core.reviews.store.database import URL_VARIABLE
from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore
from tests.core.reviews.postgres import NO_SERVER, empty_database, find_server, running_server
from tests.core.reviews.queue.test_crowd import check, killed_again_and_again
from tests.core.reviews.readers_at_work import Said, crowd
from tests.core.reviews.scans import EVALUATION, RUN, made_up_table

pytestmark = pytest.mark.benchmark

FILTERS = {
    "none": WorklistFilter(),
    "organ and score": WorklistFilter(organ=("stomach",), dice_from=0.5, dice_to=0.8),
    "kind of error": WorklistFilter(kind=("missed_organ", "swapped"), organ=("large_bowel",)),
    "state and reader": WorklistFilter(state=("Accept", "Readers disagree"), reader=("Dr 1",)),
    "confidence, leak": WorklistFilter(confidence_to=0.7, leak=("unknown",), disputed=False),
    "text": WorklistFilter(text="case12"),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where a workspace has its reviews; the server waits for the disk, as one in use does."""
    if request.param == "sqlite":
        yield tmp_path / "reviews.db"
        return
    if find_server() is None:
        pytest.skip(NO_SERVER)
    with running_server(durable=True) as server:
        monkeypatch.setenv(URL_VARIABLE, empty_database(server))
        yield tmp_path / "reviews.db"


def milliseconds(work: Callable[[], object], times: int = 9) -> tuple[float, float]:
    """Median and longest of so many calls after a first."""
    work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)[times // 2], max(taken)


@pytest.mark.parametrize(("scans", "judged"), [(1_000, 500), (100_000, 20_000)])
def test_filtering(tmp_path: Path, scans: int, judged: int) -> None:
    began = time.perf_counter()
    table = made_up_table(scans, slices=38)
    print(f"\n{scans:,} scans, {38 * scans:,} slices, {judged:,} verdicts")
    print(f"  making and reading the tables, once    {time.perf_counter() - began:8.1f} s")
    store = ReviewStore.open(tmp_path / "reviews.db")
    write(store, table, judged)
    worklist = Worklist(store, table)
    began = time.perf_counter()
    worklist._now()
    print(f"  reading the verdicts, once             {time.perf_counter() - began:8.1f} s")
    for name, filter in FILTERS.items():
        median, longest = milliseconds(lambda filter=filter: worklist.rows(reader="Dr 1", filter=filter))
        print(f"  filter: {name:<28} {median:8.1f} ms, longest {longest:8.1f} ms")
    median, longest = milliseconds(lambda: worklist.rows(reader="Dr 1", filter=FILTERS["organ and score"], count=50))
    print(f"  the first 50 of organ and score      {median:8.1f} ms, longest {longest:8.1f} ms")
    for order in ("least_confident", "random", "name"):
        median, longest = milliseconds(lambda order=order: worklist.rows(reader="Dr 1", order=order, count=50))
        print(f"  the first 50, {order:<22} {median:8.1f} ms, longest {longest:8.1f} ms")
    for name, work in (("progress", lambda: worklist.progress("Dr 1")), ("next case", lambda: worklist.next_case("Dr 1"))):
        median, longest = milliseconds(work)
        print(f"  {name:<36} {median:8.1f} ms, longest {longest:8.1f} ms")
    store.close()


def write(store: ReviewStore, table: ScanTable, judged: int) -> None:
    """Verdicts of five readers on random scans, all in one transaction, since only reading is measured."""
    from core.reviews.store.store import _append_row

    draw = random.Random(0)
    with store.writing() as connection:
        for number, scan in enumerate(draw.sample(table.names, judged)):
            verdict = {"verdict": draw.choice(list(Verdict)).value, "comment": "as drawn"}
            row = {"id": f"e{number}", "reader": f"Dr {number % 5}", "kind": "verdict"}
            _append_row(connection, row, Subject(RUN, EVALUATION, scan, "i" * 64, "m" * 64), verdict)


def test_twenty_readers_give_two_thousand_verdicts(database: Path) -> None:
    said: list[Said] = []
    ReviewStore.open(database).close()
    began = time.perf_counter()
    crowd(database, readers=20, scans=2_000, tell=said.append)
    took = time.perf_counter() - began
    check(database, set(said), scans=2_000)
    kind = "PostgreSQL" if URL_VARIABLE in os.environ else "SQLite"
    print(
        f"\n{kind}: {len(said):,} verdicts by 20 readers in {took:.1f} s, {len(said) / took:.0f} a second; none lost, none twice"
    )


def test_the_server_killed_ten_times(database: Path) -> None:
    said = killed_again_and_again(database, kills=10, readers=20, scans=2_000)
    check(database, said, scans=2_000)
    kind = "PostgreSQL" if URL_VARIABLE in os.environ else "SQLite"
    print(f"\n{kind}: killed 10 times; all {len(said):,} acknowledged verdicts of 2,000 are there, and the chain holds")
