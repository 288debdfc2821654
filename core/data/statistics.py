"""What is in a data set, from its survey: counts, sizes, patients on both sides, and scans that look alike."""

import pandas as pd

from core.data.identity import natural_key
from core.data.index import UNLABELLED
from core.data.manifest import DatasetManifest
from core.data.scan import are_partial
from core.labels import ORGAN_NAMES, ORGANS

UNKNOWN = "unknown"


def organs_shown(table: pd.DataFrame) -> "pd.Series[int]":
    """How many organs each slice shows."""
    return (table[list(ORGAN_NAMES)] > 0).sum(axis=1)


def by_split(table: pd.DataFrame) -> pd.DataFrame:
    """A row a split, and one over all: patients, scans, partial scans, slices, empty slices (no organ), their share, slices of
    each organ.

    Without a reference nobody knows the last three: they are missing there, and the row over all counts the other slices.

    Args:
        table: see `core.data.survey.survey`.
    """
    parts = [(str(split), rows) for split, rows in table.groupby("split", sort=True)]
    counts = pd.DataFrame([_counts(name, rows) for name, rows in [*parts, ("together", table)]])
    return counts.astype({name: "Int64" for name in counts if name == "empty_slices" or str(name).endswith("_slices")})


def _counts(name: str, rows: pd.DataFrame) -> dict[str, object]:
    counts: dict[str, object] = {"split": name, "patients": rows["patient"].nunique()}
    counts |= {"scans": rows["scan"].nunique(), "partial_scans": len(partial_scans(rows)), "slices": len(rows)}
    drawn = rows[rows["split"] != UNLABELLED]
    if drawn.empty:
        unknown = {"empty_slices": None, "empty_share": float("nan")}
        return counts | unknown | {f"{organ.name}_slices": None for organ in ORGANS}
    seen = _readable(drawn)
    empty = int((organs_shown(seen) == 0).sum())
    shown = {f"{organ.name}_slices": int((drawn[organ.name] > 0).sum()) for organ in ORGANS}
    share = empty / len(seen) if len(seen) else float("nan")
    return counts | {"empty_slices": empty, "empty_share": share} | shown


def partial_scans(table: pd.DataFrame) -> list[str]:
    """Scans of one slice or with gaps, see `core.data.scan.Scan.is_partial`; one that is so in any split counts."""
    slices = table.sort_values("slice").groupby(["scan", "split"], sort=True)["slice"]
    return sorted({str(scan) for (scan, _), numbers in slices if are_partial(numbers.tolist())}, key=natural_key)


def organs_per_slice(table: pd.DataFrame) -> pd.DataFrame:
    """Columns split, organs (0 to 3), slices, of those that can be read."""
    seen = _readable(table[table["split"] != UNLABELLED])
    counts = seen.assign(organs=organs_shown(seen)).groupby(["split", "organs"]).size()
    return counts.rename("slices").reset_index()


def scan_overview(table: pd.DataFrame) -> pd.DataFrame:
    """A row a scan with a reference and split: patient, scan, split, slices, annotated (slices with an organ), share of them."""
    table = table[table["split"] != UNLABELLED]
    shown = organs_shown(table) > 0
    groups = table.assign(annotated=shown).groupby(["patient", "scan", "split"], sort=False)
    found = groups.agg(slices=("slice", "size"), annotated=("annotated", "sum")).reset_index()
    return found.assign(share=found["annotated"] / found["slices"])


def sizes_and_spacings(table: pd.DataFrame, manifest: DatasetManifest) -> pd.DataFrame:
    """How many scans and slices have which size and spacing, the most frequent first: size, bits, spacing, scans, slices."""
    spacing = {scan: _spacing(manifest, scan) for scan in table["scan"].unique()}
    size = table["width"].astype(str) + " × " + table["height"].astype(str)
    groups = table.assign(size=size, spacing=table["scan"].map(spacing)).groupby(["size", "bits", "spacing"])
    found = groups.agg(scans=("scan", "nunique"), slices=("slice", "size")).reset_index()
    return found.sort_values("slices", ascending=False, ignore_index=True)


def _spacing(manifest: DatasetManifest, scan: str) -> str:
    stated = manifest.scan_info(scan).spacing_mm
    return UNKNOWN if stated is None else " × ".join(f"{step:g}" for step in stated)


def shared_patients(table: pd.DataFrame) -> pd.DataFrame:
    """Patients on both sides of the split: patient, and slices on each side; empty where the split is honest."""
    table = table[table["split"] != UNLABELLED]
    counts = table.pivot_table(index="patient", columns="split", values="slice", aggfunc="size", fill_value=0)
    if counts.shape[1] < 2:
        return pd.DataFrame(columns=["patient"])
    both = counts[(counts > 0).all(axis=1)]
    ordered = both.loc[sorted(both.index, key=natural_key)]
    return ordered.add_suffix("_slices").rename_axis(columns=None).reset_index()


ALIKE_COLUMNS = [
    "first_scan", "first_split", "second_scan", "second_split", "slices_alike", "bits", "across_splits", "across_patients",
    "first_name", "second_name",
]  # fmt: skip


def alike_scans(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Scans that share slices that look alike, those across splits first, then by how many: columns `ALIKE_COLUMNS`.

    Each slice counts once for a pair of scans; ``bits`` is the smallest difference of hashes among them, ``first_name`` and
    ``second_name`` the two slices that have it.

    Args:
        table: see `core.data.survey.survey`.
        pairs: see `core.data.duplicates.near_pairs`, positions in ``table``.
    """
    if pairs.empty:
        return pd.DataFrame(columns=ALIKE_COLUMNS)
    sides = [table.iloc[pairs[side]].reset_index(drop=True).add_prefix(f"{side}_") for side in ("first", "second")]
    both = pd.concat([*sides, pairs[["bits"]].reset_index(drop=True)], axis=1)
    keys = ["first_scan", "first_split", "second_scan", "second_split"]
    groups = both.groupby(keys, sort=False)
    found = groups.agg(slices_alike=("first_name", "nunique"))
    nearest = both.loc[groups["bits"].idxmin()].set_index(keys)
    found = found.join(nearest[["bits", "first_name", "second_name", "first_patient", "second_patient"]]).reset_index()
    # Nothing is measured on a scan without a reference, so nothing can leak into its scores.
    scored = (found["first_split"] != UNLABELLED) & (found["second_split"] != UNLABELLED)
    found["across_splits"] = scored & (found["first_split"] != found["second_split"])
    found["across_patients"] = found["first_patient"] != found["second_patient"]
    order = ["across_splits", "across_patients", "slices_alike", "first_scan"]
    return found.sort_values(order, ascending=[False, False, False, True], ignore_index=True)[ALIKE_COLUMNS]


def contested_scans(manifest: DatasetManifest) -> pd.DataFrame:
    """Scans in whose source more than one organ claimed a pixel: scan, contested_pixels; the most first."""
    rows = [(scan, info.contested_pixels) for scan, info in manifest.scans.items() if info.contested_pixels]
    table = pd.DataFrame(rows, columns=["scan", "contested_pixels"])
    return table.sort_values("contested_pixels", ascending=False, kind="stable", ignore_index=True)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Without the slices whose organs nobody knows."""
    return table[table["problem"] == ""]


def unreadable(table: pd.DataFrame) -> pd.DataFrame:
    """Slices whose picture or mask cannot be read: split, name, problem."""
    return table.loc[table["problem"] != "", ["split", "name", "problem"]].reset_index(drop=True)
