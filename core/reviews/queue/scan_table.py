"""What a worklist filters and sorts by: one row a scan, made once from the tables of an evaluation and then kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.identity import natural_key
from core.evaluation.cases import case_table
from core.labels import ORGAN_NAMES
from core.metrics.regions import ErrorKind
from core.reviews.store.events import Order
from core.runs.registry import Evaluation

KINDS = tuple(ErrorKind)
SCORE_COLUMNS = (*ORGAN_NAMES, "mean_dice", "notes", "errors", "change")
"""Columns that tell how the prediction compares with the reference."""
KEPT_ORDERS = 16


@dataclass(frozen=True)
class ScanTable:
    """The scans of one evaluation, worst first."""

    run: str
    evaluation: str
    scans: pd.DataFrame
    """Columns of `core.evaluation.cases.case_table` without ``state``, and ``confidence`` and ``confidence_ORGAN`` (0 to 1, NaN
    where nothing was drawn or nobody knows), ``errors`` (a bit for each organ and kind of error, see `error_bits`), ``leak``
    (patient-clean, leaked or unknown), ``disputed`` (bool), ``change`` (see `with_change`, else NaN)."""

    @cached_property
    def names(self) -> list[str]:
        """The scans in order."""
        return [str(scan) for scan in self.scans["scan"]]

    @cached_property
    def positions(self) -> dict[str, int]:
        """The row of each scan."""
        return {scan: row for row, scan in enumerate(self.names)}

    @cached_property
    def folded(self) -> tuple[list[str], list[str]]:
        """Names (of scan and patient) and notes of each row, without case, for looking up text."""
        rows = zip(self.names, self.scans["patient"], self.scans["notes"], strict=True)
        both = [(f"{scan} {patient}".casefold(), str(notes).casefold()) for scan, patient, notes in rows]
        return [names for names, _ in both], [notes for _, notes in both]

    def with_change(self, change: Mapping[str, float]) -> "ScanTable":
        """The same with how much each scan changed against another run; scans that are not named have changed nothing known."""
        return replace(self, scans=self.scans.assign(change=self.scans["scan"].map(change).astype(float)))

    def dice_change(self, other: "ScanTable") -> dict[str, float]:
        """How far the mean Dice of each scan is from that in another evaluation, for scans with a score in both."""
        here, there = (table.scans.set_index("scan")["mean_dice"] for table in (self, other))
        return {str(scan): float(value) for scan, value in (here - there).abs().dropna().items()}

    def ranked(self, order: Order, seed: int = 0) -> NDArray[np.intp]:
        """Row numbers in an order; scans without the value come last, and equal ones as they are: worst first.

        Args:
            seed: of the random order, which depends on the scan's name and the seed alone.
        """
        key = order, seed if order == "random" else 0
        if key not in self._ranks:
            if len(self._ranks) >= KEPT_ORDERS:
                self._ranks.clear()
            self._ranks[key] = self._rank(order, seed)
        return self._ranks[key]

    @cached_property
    def _ranks(self) -> dict[tuple[Order, int], NDArray[np.intp]]:
        return {}

    def _rank(self, order: Order, seed: int) -> NDArray[np.intp]:
        if order == "worst":
            return np.arange(len(self.scans))
        if order == "name":
            return np.array(sorted(range(len(self.names)), key=lambda row: natural_key(self.names[row])), np.intp)
        if order == "random":
            keys = pd.util.hash_array(self.scans["scan"].to_numpy(object), hash_key=f"{seed % 10**16:016d}")
            return np.argsort(keys, kind="stable")
        values = self.scans["confidence"] if order == "least_confident" else -self.scans["change"]
        return np.argsort(values.to_numpy(float), kind="stable")


def error_bits(kinds: Collection[str], organs: Collection[str] = ORGAN_NAMES) -> int:
    """The bits of ``errors`` that stand for these kinds of error at these organs."""
    return sum(1 << _bit(organ, kind) for organ in organs for kind in kinds)


def _bit(organ: str, kind: str) -> int:
    return ORGAN_NAMES.index(organ) * len(KINDS) + KINDS.index(ErrorKind(kind))


def read_scan_table(
    evaluation: Evaluation, *, trained_on: Collection[str] | None = None, disputed: Collection[str] = ()
) -> ScanTable:
    """The table of an evaluation on disk; reads its three tables, so keep it.

    Args:
        trained_on: patients of the run's training split; ``None`` where nobody knows.
        disputed: scans whose reference is disputed, see `core.evaluation.disputes.disputed_scans`.

    Raises:
        WorkspaceError: a table is missing or damaged.
    """
    drawn = evaluation.slices(["scan", "organ", "prediction_voxels", "confidence"])
    errors = evaluation.errors() if evaluation.paths.errors.is_file() else None
    made = make_scan_table(evaluation.scans(), drawn, errors, disputed=disputed)
    return ScanTable(evaluation.run, evaluation.name, made.assign(leak=_leaks(evaluation, made["patient"], trained_on)))


def _leaks(evaluation: Evaluation, patients: "pd.Series[str]", trained_on: Collection[str] | None) -> NDArray[np.object_]:
    kind = evaluation.badge.kind
    if kind != "leaked":
        return np.full(len(patients), kind, object)
    if trained_on is None:
        return np.full(len(patients), "unknown", object)
    return np.where(patients.isin(list(trained_on)), "leaked", "patient-clean").astype(object)


def make_scan_table(
    scans: pd.DataFrame, slices: pd.DataFrame, errors: pd.DataFrame | None, *, disputed: Collection[str] = ()
) -> pd.DataFrame:
    """The rows of `ScanTable`, with every leak unknown.

    Args:
        scans: ``scans.parquet``, see `core.metrics.tables.scan_rows`.
        slices: ``slices.parquet``; needs ``scan``, ``organ``, ``prediction_voxels`` and ``confidence``.
        errors: ``errors.parquet``, see `core.metrics.regions`; ``None`` where the evaluation has none.
    """
    table = case_table(scans, {}).drop(columns="state").set_index("scan", drop=False)
    table = table.join(_confidence(slices)).assign(
        errors=_errors(errors).reindex(table.index, fill_value=0), disputed=table.index.isin(list(disputed))
    )
    return table.assign(leak="unknown", change=np.nan).reset_index(drop=True)


def _confidence(slices: pd.DataFrame) -> pd.DataFrame:
    """Per scan, the mean confidence over the voxels drawn of each organ and of all."""
    known = slices[slices["confidence"].notna() & (slices["prediction_voxels"] > 0)]
    weighted = known.assign(sure=known["confidence"] * known["prediction_voxels"])
    sums = weighted.groupby(["scan", "organ"], observed=True)[["sure", "prediction_voxels"]].sum()
    whole = sums.groupby(level="scan").sum()
    organs = (sums["sure"] / sums["prediction_voxels"]).unstack("organ").reindex(columns=list(ORGAN_NAMES)).astype(float)
    return organs.add_prefix("confidence_").assign(confidence=whole["sure"] / whole["prediction_voxels"])


def _errors(errors: pd.DataFrame | None) -> "pd.Series[int]":
    if errors is None or errors.empty:
        return pd.Series(dtype="int64")
    # What is drawn as another organ is an error of both.
    pairs = pd.concat([errors[["scan", "organ", "kind"]], errors[["scan", "other", "kind"]].rename(columns={"other": "organ"})])
    pairs = pairs[pairs["organ"].isin(ORGAN_NAMES)].drop_duplicates()
    bits = [1 << _bit(str(organ), str(kind)) for organ, kind in zip(pairs["organ"], pairs["kind"], strict=True)]
    return pairs.assign(bit=bits).groupby("scan")["bit"].sum()
