"""Readers who judge a round until nothing is left, as a process that a test can kill: prints each verdict once it is stored.

Run as ``python -m tests.core.reviews.readers_at_work DATABASE READERS SCANS``.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from core.reviews.queue.scan_table import ScanTable
from core.reviews.queue.worklist import Worklist
from core.reviews.store.events import Subject, Verdict
from core.reviews.store.store import ReviewStore
from tests.core.reviews.scans import EVALUATION, RUN, made_up_table

VERDICTS = tuple(Verdict)
PRINTING = Lock()
Said = tuple[str, str, str]
"""Reader, scan and event id."""


def judge_all(database: Path, reader: str, table: ScanTable, tell: Callable[[Said], None]) -> None:
    """Take the next scan and judge it until there is none, with a connection of one's own.

    Args:
        tell: gets each verdict once it is stored.
    """
    store = ReviewStore.open(database)
    worklist = Worklist(store, table)
    while (scan := worklist.next_case(reader)) is not None:
        verdict = VERDICTS[len(scan) % len(VERDICTS)]
        event = store.add_verdict(Subject(RUN, EVALUATION, scan, "", ""), reader=reader, verdict=verdict)
        tell((reader, scan, event.id))
    store.close()


def crowd(database: Path, readers: int, scans: int, tell: Callable[[Said], None]) -> None:
    """So many readers at once over so many scans."""
    table = made_up_table(scans)
    with ThreadPoolExecutor(readers) as pool:
        for done in [pool.submit(judge_all, database, f"Dr {n}", table, tell) for n in range(readers)]:
            done.result()


def _print(said: Said) -> None:
    with PRINTING:
        print(*said, sep="\t", flush=True)


if __name__ == "__main__":
    crowd(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), _print)
