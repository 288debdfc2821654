"""What has to stand in an evaluation's files before a page reads them, whoever wrote them: its summary and its tables."""

from collections.abc import Callable
from typing import Any, get_args

import pyarrow
from pyarrow import types

from core.data.leakage import LeakKind
from core.labels import ORGANS
from core.metrics.regions import COLUMNS as REGION_COLUMNS
from core.metrics.surface import nsd_columns
from core.metrics.tables import ALL_ORGANS_MEANS, OTHER_MEANS

SCORES = {*ALL_ORGANS_MEANS, *OTHER_MEANS}
COUNTS = ("scans", "missed", "false_alarm", "absent")
HASHES = ("image_sha256", "reference_sha256", "prediction_sha256")

_PLACE = {"patient": "text", "scan": "text", "day": "whole", "organ": "text"}
_OVERLAP = {"outcome": "text", "dice": "number", "iou": "number"}
_OVERLAP |= dict.fromkeys(("reference_voxels", "prediction_voxels", "both_voxels"), "whole")
LATER = dict.fromkeys(("precision", "recall", "flip_agreement", "hd95_mm", "mean_surface_distance_mm", "reference_ml"), "number")
LATER |= dict.fromkeys(("prediction_ml", "volume_error_ml", "volume_error_percent", "confidence", "confidence_absent"), "number")
LATER |= dict.fromkeys(("expected_dice", "expected_dice_low", "expected_dice_high"), "number") | {"leak": "text"}
"""Columns that came since, in one table or another: they may be missing."""
_KINDS = {"str": "text", "Int64": "whole", "int64": "whole", "float64": "number"}
COLUMNS = {
    "slices": _PLACE | {"slice": "whole", "position": "whole", "name": "text"} | _OVERLAP,
    "scans": _PLACE | {"slices": "whole"} | _OVERLAP,
    "errors": {name: _KINDS[kind] for name, kind in REGION_COLUMNS.items()},
}
"""Columns of each table that every version has written, and their kinds."""


def check_summary(content: Any) -> None:
    """Check ``evaluation.json`` for what pages, reports and commands read of it.

    ``all_organs``, and an organ's ``counts`` and ``intervals``, may be missing: older versions wrote none.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: something is missing, or of another kind.
    """
    dataset = content["dataset"]
    texts = (content["split"], content["created_at"], dataset["name"], dataset["root"])
    _need(all(isinstance(text, str) for text in texts), "a split, time or data set that is no text")
    counts = content["scan_count"], content["patient_count"], content.get("partial_count", 0)
    _need(all(is_count(count) for count in counts), "a number of scans or patients that is none")
    for name in ("conventions", "external"):
        _need(isinstance(content.get(name) or {}, dict), "conventions, or another tool, of another kind")
    leak = content["leak"]
    _need(leak["kind"] in get_args(LeakKind) and is_count(leak["leaked"]) and is_count(leak["patients"]), "no leak badge")
    for organ in ORGANS:
        check_scores(content["organs"][organ.name])
    if "all_organs" in content:
        check_scores(content["all_organs"])
        _need(isinstance(content["conventions"], dict), "no conventions")
    else:
        _need(_is_number_or_none(content.get("macro_dice")), "a mean that is no number")
    for facts in content["scans"].values():
        _check_facts(facts)


def check_scores(row: Any) -> None:
    """Check the means of one organ, or over all, with their counts and intervals; see `core.metrics.tables.summarise`.

    Raises: see `check_summary`.
    """
    scores = [*nsd_columns(row), *(name for name in row if name in SCORES)]
    _need(all(_is_number_or_none(row[name]) for name in ["dice", *scores]), "a mean that is no number")
    _need(all(is_count(row[name]) for name in COUNTS), "a number of scans that is none")
    if "counts" in row:
        _need(all(is_count(row["counts"][name]) for name in scores), "a number of scans that is none")
    if "intervals" in row:
        for interval in (row["intervals"][name] for name in scores):
            ends = () if interval is None else (interval["low"], interval["high"])
            _need(all(_is_number(end) for end in ends), "an interval that is none")


def _check_facts(facts: Any) -> None:
    _need(isinstance(facts["patient"], str), "a patient that is no text")
    numbers = facts.get("slice_numbers", [])
    _need(isinstance(numbers, list) and all(is_count(each) for each in numbers), "slices without numbers")
    for name, length in (("size", 2), ("native_size", 2), ("spacing_mm", 3)):
        value = facts.get(name)
        whole = value is None or (isinstance(value, list) and len(value) == length)
        _need(whole and all(_is_number(each) for each in value or ()), "a size or spacing of another kind")
    _need(isinstance(facts.get("geometry", ""), str), "a geometry that is no text")
    _need(all(isinstance(facts.get(name, ""), str) for name in HASHES), "a hash that is no text")
    _need(isinstance(facts.get("partial", False), bool), "a scan that is partial or not, and does not say which")
    _need(_is_affine(facts.get("affine")), "an affine that is none")


def _is_affine(value: Any) -> bool:
    """Whether this is a geometry, or nothing."""
    if value is None:
        return True
    rows: list[Any] = value if isinstance(value, list) and len(value) == 4 else [value]
    if not all(isinstance(row, list) and len(row) == 4 and all(_is_number(each) for each in row) for row in rows):
        return False
    (a, b, c, _), (d, e, f, _), (g, h, i, _), _ = rows
    return bool(abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)) > 1e-12)


def check_columns(table: str, schema: pyarrow.Schema) -> None:
    """Check that a table (``slices``, ``scans`` or ``errors``) has its columns, each of its kind; reads no row.

    Raises:
        ValueError: one is missing, or of another kind.
    """
    found = dict(zip(schema.names, schema.types, strict=True))
    for name, kind in COLUMNS[table].items():
        _need(name in found and _FITS[kind](found[name]), "a table without a column, or with one of another kind")
    for name in found.keys() - COLUMNS[table].keys():
        expected = "number" if nsd_columns([name]) else LATER.get(name)
        _need(expected is None or _FITS[expected](found[name]), "a column of another kind")


def _is_text(kind: pyarrow.DataType) -> bool:
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner))


def _is_numeric(kind: pyarrow.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind))


_FITS: dict[str, Callable[[pyarrow.DataType], bool]] = {"text": _is_text, "whole": types.is_integer, "number": _is_numeric}


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_number_or_none(value: object) -> bool:
    return value is None or _is_number(value)


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
