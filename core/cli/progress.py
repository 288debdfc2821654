"""How long work reports itself: one callable, which a command shows as a bar and a job writes to a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from tqdm import tqdm

QUIET_S = 10.0
"""Where standard error is no terminal, work shorter than this shows no bar, and longer work a line this often."""

LARGE = 10_000_000


class ReportProgress(Protocol):
    """Called with the units done, the units in all, and what is being done; must be cheap."""

    def __call__(self, done: int, total: int, what: str) -> None: ...


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""


@contextmanager
def progress_bar(title: str) -> Iterator[ReportProgress]:
    """A bar on standard error, gone when the block ends; work in several parts gets one after the other."""
    shown = sys.stderr.isatty()
    pause_s = {"delay": 0 if shown else QUIET_S, "mininterval": 0.1 if shown else QUIET_S}

    def new_bar() -> Any:
        return tqdm(desc=title, file=sys.stderr, leave=False, **pause_s)

    bar = new_bar()

    def report(done: int, total: int, what: str) -> None:
        nonlocal bar
        if done < bar.n:
            bar.close()
            bar = new_bar()
        # Bytes: 1.20G/2.40G rather than ten digits each.
        bar.total, bar.unit_scale = total, total > LARGE
        bar.update(done - bar.n)
        if done >= total:
            # At once rather than when the block ends: what is printed next would run into the bar.
            bar.close()

    try:
        yield report
    finally:
        bar.close()


@contextmanager
def progress_bars() -> Iterator[Callable[[str], ReportProgress]]:
    """What begins a bar for each piece of work that it is told the title of."""
    with ExitStack() as bars:
        yield lambda title: bars.enter_context(progress_bar(title))


def going_on(title: str, done: int, total: int) -> str:
    """A bar's title, with how much an attempt that was cut off had done."""
    return f"{title}, {min(done, total)} of {total} taken over" if done else title
