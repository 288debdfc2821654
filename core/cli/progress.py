"""How long work reports itself: one callable, which a command shows as a bar and a job writes to a file."""

from typing import Protocol


class ReportProgress(Protocol):
    """Called with the units done, the units in all, and what is being done; must be cheap."""

    def __call__(self, done: int, total: int, what: str) -> None: ...


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""
