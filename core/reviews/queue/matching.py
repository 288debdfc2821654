"""Which rows of a scan table a filter lets through, given what was said of the scans so far."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.labels import ORGAN_NAMES
from core.reviews.queue.filters import UNREVIEWED, WorklistFilter
from core.reviews.queue.scan_table import ScanTable, error_bits
from core.reviews.store.readers import reader_key
from core.reviews.store.state import ScanReview

Rows = NDArray[np.bool_]
Reviews = Mapping[str, ScanReview]


def matching(table: ScanTable, filter: WorklistFilter, reviews: Reviews, hidden: Rows) -> Rows:
    """One truth value a row.

    Args:
        hidden: rows of which the filter sees neither the score nor what was said: they count as without a score and unreviewed.
    """
    keep = _by_facts(table.scans, filter) & (_by_score(table.scans, filter) & ~hidden | _asks_no_score(filter))
    if filter.state:
        keep &= np.isin(np.where(hidden, UNREVIEWED, states(table, reviews)).astype(str), filter.state)
    if filter.reader:
        wanted = {reader_key(name) for name in filter.reader}
        judged = (scan for scan, review in reviews.items() if not wanted.isdisjoint(map(reader_key, review.standing)))
        keep &= rows_of(table, judged) & ~hidden
    if filter.text:
        keep &= _by_text(table, filter.text.casefold(), reviews, hidden)
    return keep


def states(table: ScanTable, reviews: Reviews) -> NDArray[np.object_]:
    """The review state of each row, see `core.reviews.queue.filters.STATES`."""
    found = np.full(len(table.names), UNREVIEWED, object)
    for scan, review in reviews.items():
        row = table.positions.get(scan)
        if row is not None:
            found[row] = review.state
    return found


def rows_of(table: ScanTable, scans: Iterable[str]) -> Rows:
    """True for the rows of these scans; scans that are not in the table are left out."""
    found = np.zeros(len(table.names), bool)
    found[[table.positions[scan] for scan in scans if scan in table.positions]] = True
    return found


def _by_facts(scans: pd.DataFrame, filter: WorklistFilter) -> Rows:
    keep = np.ones(len(scans), bool)
    for column, values in (("patient", filter.patient), ("leak", filter.leak)):
        if values:
            keep &= scans[column].isin(values).to_numpy(bool)
    if filter.disputed is not None:
        keep &= scans["disputed"].to_numpy(bool) == filter.disputed
    if filter.organ:
        keep &= scans[list(filter.organ)].notna().any(axis=1).to_numpy(bool)
    columns = [f"confidence_{name}" for name in filter.organ] or ["confidence"]
    return keep & _in_range(scans[columns], filter.confidence_from, filter.confidence_to)


def _by_score(scans: pd.DataFrame, filter: WorklistFilter) -> Rows:
    keep = _in_range(scans[list(filter.organ) or ["mean_dice"]], filter.dice_from, filter.dice_to)
    if filter.kind:
        keep &= (scans["errors"].to_numpy(np.int64) & error_bits(filter.kind, filter.organ or ORGAN_NAMES)) != 0
    return keep


def _asks_no_score(filter: WorklistFilter) -> bool:
    return filter.dice_from is None and filter.dice_to is None and not filter.kind


def _in_range(columns: pd.DataFrame, low: float | None, high: float | None) -> Rows:
    if low is None and high is None:
        return np.ones(len(columns), bool)
    values = columns.to_numpy(float)
    above = values >= (-np.inf if low is None else low)
    return np.asarray((above & (values <= (np.inf if high is None else high))).any(axis=1))


def _by_text(table: ScanTable, text: str, reviews: Reviews, hidden: Rows) -> Rows:
    commented = (scan for scan, review in reviews.items() if any(text in words.casefold() for words in _words(review)))
    names, notes = table.folded
    in_names = np.array([text in name for name in names], bool)
    in_notes = np.array([text in note for note in notes], bool)
    return in_names | (in_notes | rows_of(table, commented)) & ~hidden


def _words(review: ScanReview) -> Iterable[str]:
    yield from review.comments.values()
    yield from (str(event.payload["comment"]) for event in (*review.findings, *review.remarks))
