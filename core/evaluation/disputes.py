"""Is the reference wrong? Known disputed scans, and slices and scans where a confident model disagrees with the reference.

A model that is sure and yet far from the reference is either badly wrong or right about a reference that is not: these are
candidates for a reader to look at, not verdicts. Scans that are known to be disputed are flagged, never hidden.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from core.data.manifest import DatasetManifest
from core.errors import DatasetError

FILE_NAME = "disputed.txt"
HOSTS_WORD = "uw-madison-hosts"
"""A line of ``disputed.txt`` that stands for the twelve scans of `UW_MADISON_DISPUTED`."""
HOSTS_REASON = "left out by the competition's hosts for a known annotation error"
UW_MADISON_DISPUTED = (
    "case7_day0", "case9_day27", "case13_day0", "case34_day20", "case43_day18", "case43_day26", "case61_day14", "case81_day30",
    "case83_day11", "case124_day19", "case138_day0", "case144_day15",
)  # fmt: skip
"""Scans of the UW-Madison GI Tract set that the competition's hosts leave out of their own scoring."""
MIN_VOXELS = 50
"""Slices on which fewer voxels of an organ differ are no candidates: 1.1 cm² at 1.5 mm, the tip of an organ."""


def disputed_scans(root: Path, manifest: DatasetManifest) -> dict[str, str]:
    """The known disputed scans of a data set, with the reason.

    They are those of ``ROOT/disputed.txt`` (one scan a line, then optionally the reason; ``#`` begins a comment; the word
    ``uw-madison-hosts`` stands for the competition hosts' list) and, for the UW-Madison set, always the hosts' list. A data
    set without ``dataset.json`` is read by the UW-Madison set's names, so it has their list too.

    Raises:
        DatasetError: ``disputed.txt`` cannot be read.
    """
    ours = not manifest.synthetic and (not manifest.stated or manifest.source.startswith("UW-Madison"))
    found = dict.fromkeys(UW_MADISON_DISPUTED, HOSTS_REASON) if ours else {}
    for line in _lines(root / FILE_NAME):
        scan, _, reason = line.partition(" ")
        found |= dict.fromkeys(UW_MADISON_DISPUTED, HOSTS_REASON) if scan == HOSTS_WORD else {scan: reason.strip()}
    return found


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        todo = "write one scan a line, as plain text"
        raise DatasetError("The list of disputed scans cannot be read", value=path, todo=todo) from error
    lines = (" ".join(line.split("#")[0].split()) for line in text.splitlines())
    return [line for line in lines if line]


SLICE_COLUMNS = [
    "patient", "scan", "day", "slice", "position", "organ", "suspicion", "dice", "confidence", "confidence_from",
    "differing_voxels", "kind", "disputed", "reason",
]  # fmt: skip


def slice_candidates(
    slices: pd.DataFrame,
    *,
    errors: pd.DataFrame | None = None,
    disputed: Mapping[str, str] | None = None,
    min_voxels: int = MIN_VOXELS,
) -> pd.DataFrame:
    """Slices and organs where a confident model disagrees with the reference, the most suspicious first.

    ``suspicion`` = confidence × (1 − Dice), from 0 to 1. ``confidence_from`` says which confidence: ``slice``, the model's mean
    over the outline that it drew there; ``absent``, where it drew none, how sure it was that there is none
    (`core.metrics.confidence.Confidence`). An evaluation made before the latter was stored has ``scan`` in its place, the mean
    over the organ's outline in the whole scan; where there is none of that either, the slice is no candidate.

    Args:
        slices: ``slices.parquet``, see `core.metrics.tables.slice_rows`.
        errors: ``errors.parquet``, see `core.metrics.regions`; gives each slice the kind of its largest error region.
            Without it, ``kind`` says what the voxel counts tell.
        disputed: see `disputed_scans`.

    Returns:
        Columns `SLICE_COLUMNS`; ``reason`` is empty unless the scan is a known disputed one.
    """
    table = _with_confidence(slices)
    table = table[(table["differing_voxels"] >= max(min_voxels, 1)) & table["confidence"].notna()].copy()
    table["suspicion"] = table["confidence"] * (1 - table["dice"])
    table["kind"] = _kinds(table, errors)
    return _flagged(table, disputed or {})[SLICE_COLUMNS].sort_values(
        ["suspicion", "differing_voxels", "scan", "position", "organ"],
        ascending=[False, False, True, True, True],
        ignore_index=True,
    )


def _with_confidence(slices: pd.DataFrame) -> pd.DataFrame:
    """The slice table with differing voxels, and a confidence where the organ was not drawn, see `slice_candidates`."""
    table = slices.copy()
    table["differing_voxels"] = table["reference_voxels"] + table["prediction_voxels"] - 2 * table["both_voxels"]
    stored = table["confidence_absent"] if "confidence_absent" in table else pd.Series(np.nan, index=table.index)
    drawn = table["confidence"].notna()
    table["confidence_from"] = np.select([drawn, stored.notna()], ["slice", "absent"], default="scan")
    table["confidence"] = table["confidence"].fillna(stored).fillna(_of_scan(table[drawn], table))
    return table


def _of_scan(drawn: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """For each row of ``table`` the mean confidence over the organ's outline in its scan; NaN where it has none."""
    weighted = (drawn["confidence"] * drawn["prediction_voxels"]).groupby([drawn["scan"], drawn["organ"]]).sum()
    mean = weighted / drawn.groupby(["scan", "organ"])["prediction_voxels"].sum()
    of_scan = mean.reindex(pd.MultiIndex.from_frame(table[["scan", "organ"]])).to_numpy(float)
    return pd.Series(of_scan, index=table.index)


def _kinds(table: pd.DataFrame, errors: pd.DataFrame | None) -> list[str]:
    by_count = [
        _counted(*row) for row in zip(table["reference_voxels"], table["prediction_voxels"], table["both_voxels"], strict=True)
    ]
    if errors is None or errors.empty:
        return by_count
    largest = _largest(table, errors)
    return [largest.get(row, counted) for row, counted in enumerate(by_count)]


def _counted(reference: int, prediction: int, both: int) -> str:
    """What the voxel counts of a slice tell of the kind of disagreement."""
    if not both:
        return "elsewhere" if reference and prediction else "only_in_reference" if reference else "only_in_prediction"
    if reference == prediction:
        return "shifted"
    return "larger_in_reference" if reference > prediction else "larger_in_prediction"


def _largest(table: pd.DataFrame, errors: pd.DataFrame) -> dict[int, str]:
    """The kind of the largest error region of a row's organ on its slice, by the row's place; none where there is no region."""
    columns = ["scan", "organ", "kind", "first_slice", "last_slice", "voxels"]
    # A region counts for its organ, and for the other one where two are swapped.
    regions = pd.concat([errors[columns], errors.drop(columns="organ").rename(columns={"other": "organ"})[columns]])
    rows = table[["scan", "organ", "slice"]].assign(row=np.arange(len(table)))
    met = rows.merge(regions.sort_index(kind="stable"), on=["scan", "organ"])
    met = met[met["slice"].between(met["first_slice"], met["last_slice"])]
    met = met.sort_values("voxels", ascending=False, kind="stable").drop_duplicates("row")
    return {int(row): str(kind) for row, kind in zip(met["row"], met["kind"], strict=True)}


def _flagged(table: pd.DataFrame, disputed: Mapping[str, str]) -> pd.DataFrame:
    return table.assign(
        disputed=table["scan"].isin(list(disputed)), reason=[disputed.get(str(scan), "") for scan in table["scan"]]
    )


SCAN_COLUMNS = [
    "patient", "scan", "day", "suspicion", "confidence", "organ", "slice", "position", "kind", "candidates", "disputed", "reason",
]  # fmt: skip


def scan_candidates(
    slices: pd.DataFrame,
    *,
    errors: pd.DataFrame | None = None,
    disputed: Mapping[str, str] | None = None,
    min_voxels: int = MIN_VOXELS,
) -> pd.DataFrame:
    """Every scan, the one where a confident model disagrees most first.

    ``suspicion`` is that of `slice_candidates` over the whole scan: the differing voxels, each counted with its slice's
    confidence, as a share of the voxels of both outlines. ``organ``, ``slice``, ``position`` and ``kind`` name the scan's
    most suspicious slice (missing where it has no candidate), ``candidates`` counts them.
    """
    table = _with_confidence(slices)
    table["weighted"] = (table["confidence"] * table["differing_voxels"]).fillna(0.0)
    table["outlined"] = table["reference_voxels"] + table["prediction_voxels"]
    table["sure"] = (table["confidence"] * table["prediction_voxels"]).fillna(0.0)
    sums = table.groupby("scan")[["weighted", "outlined", "sure", "prediction_voxels"]].sum()
    scans = table.drop_duplicates("scan")[["patient", "scan", "day"]].set_index("scan")
    scans["suspicion"] = (sums["weighted"] / sums["outlined"].where(sums["outlined"] > 0)).fillna(0.0)
    scans["confidence"] = sums["sure"] / sums["prediction_voxels"].where(sums["prediction_voxels"] > 0)
    found = slice_candidates(slices, errors=errors, min_voxels=min_voxels)
    worst = found.drop_duplicates("scan").set_index("scan")[["organ", "slice", "position", "kind"]]
    scans = scans.join(worst.astype({"slice": "Int64", "position": "Int64"}))
    scans["candidates"] = found.groupby("scan").size().reindex(scans.index, fill_value=0).astype("int64")
    flagged = _flagged(scans.reset_index(), disputed or {})
    return flagged[SCAN_COLUMNS].sort_values(["suspicion", "scan"], ascending=[False, True], ignore_index=True)
