"""Names: patient (``case123``) → scan (``case123_day20``) → slice (``case123_day20_slice_0070``)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import DatasetError

UW_MADISON_PATTERN = r"(?P<scan>(?P<patient>case\d+)_day(?P<day>\d+))_slice_(?P<slice>\d+)"
"""How the UW-Madison GI Tract set names its slices; a data set may state another pattern with the same groups."""
SLICE_SPACING_MM = 3.0
"""Distance of the UW-Madison set's slices; its names state only the spacing inside a slice (the set's published description)."""
MAX_NAMED = 5
"""How many file names an error lists before it counts the rest."""


@dataclass(frozen=True, order=True)
class SliceName:
    """Who and where a slice is."""

    patient: str
    """Patient, the unit that must never cross splits."""
    scan: str
    """One volume; what a clinician calls a case."""
    number: int
    """Position of the slice in its scan, as named (the UW-Madison set counts from 1)."""
    stem: str
    """File name without suffix."""
    day: int | None = None
    """Treatment day, where the name tells."""
    parsed: bool = True
    """False where the name told nothing."""


def parse_slice_name(stem: str, pattern: str = UW_MADISON_PATTERN) -> SliceName:
    """Read a file's stem by ``pattern`` (named groups: patient, and optionally scan, slice, day).

    A name that does not match is a patient, a scan and a slice of its own, and not ``parsed``: whose it is, nobody knows,
    so a score that rests on it gets the leak badge ``unknown``.
    """
    match = re.match(pattern, stem)
    if match is None:
        return SliceName(stem, stem, 0, stem, parsed=False)
    groups = match.groupdict()
    patient = groups["patient"]
    day = groups.get("day")
    return SliceName(
        patient=patient,
        scan=groups.get("scan") or patient,
        number=int(groups.get("slice") or 0),
        stem=stem,
        day=None if day is None else int(day),
    )


def check_pattern(pattern: str) -> str:
    """Return ``pattern`` if it is a regular expression with a ``patient`` group.

    Raises:
        DatasetError: it is not.
    """
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise DatasetError(
            f"The patient pattern is not a regular expression ({error})", value=pattern, todo="correct it"
        ) from error
    if "patient" not in groups:
        raise DatasetError("The patient pattern has no group (?P<patient>…)", value=pattern, todo="add one")
    return pattern


def listed(names: Sequence[str], between: str = ", ") -> str:
    """The first few, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return between.join(names[:MAX_NAMED]) + more


def natural_key(text: str) -> tuple[tuple[str, int], ...]:
    """Sort key that orders numbers inside a name by value.

    >>> sorted(["case16", "case9"], key=natural_key)
    ['case9', 'case16']
    """
    return tuple((word, int(digits or -1)) for word, digits in re.findall(r"(\D*)(\d*)", text))
