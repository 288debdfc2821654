"""Names: patient (``case123``) → scan (``case123_day20``) → slice (``case123_day20_slice_0070``)."""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.errors import DatasetError

UW_MADISON_PATTERN = r"(?P<scan>(?P<patient>case\d+)_day(?P<day>\d+))_slice_(?P<slice>\d+)"
"""How the UW-Madison GI Tract set names its slices; a data set may state another pattern with the same groups."""
SCAN_PATTERN = r"(?P<scan>(?P<patient>.+?)_day(?P<day>\d+)|.+?)_slice_(?P<slice>\d+)$"
"""How `prepare` names slices that it cuts from volumes; only names with a day tell the patient."""
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
    so a score that rests on it gets the leak badge ``unknown``. So does one that matches without a patient, as its scan's.
    """
    match = re.match(pattern, stem)
    if match is None:
        return SliceName(stem, stem, 0, stem, parsed=False)
    groups = match.groupdict()
    patient, day = groups["patient"], groups.get("day")
    scan = groups.get("scan") or patient or stem
    return SliceName(
        patient=patient or scan,
        scan=scan,
        number=int(groups.get("slice") or 0),
        stem=stem,
        day=None if day is None else int(day),
        parsed=bool(patient),
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


LONGEST = 100
"""Characters of a scan's or data set's name; what is made of it goes up to the 120 that a name of ours may have."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*(?<!\.)")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.IGNORECASE)
"""What Windows takes for a device, whatever the ending."""
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})
"""Latin letters that are no letter with a mark."""


def is_clean(name: str) -> bool:
    """Whether a name can be a file's on any system: ``A-Z a-z 0-9 _ . + -``, at most 100, and no device of Windows'."""
    return bool(_PLAIN.fullmatch(name)) and len(name) <= LONGEST and not _RESERVED.match(name)


def clean_name(name: str) -> str:
    """A name that can be a file's on any system, the same for the same name; as it is where it can be one already.

    Marks are dropped, and blanks and signs become ``_``. Where letters of another script or an end had to go, eight digits of the
    name's hash keep two such names apart.

    >>> clean_name("Jürgen (MR 2)"), clean_name("con.1"), clean_name("case12_day3")
    ('Jurgen_MR_2', 'con_.1', 'case12_day3')
    """
    if is_clean(name):
        return name
    letters = [letter for letter in unicodedata.normalize("NFKD", name.translate(_LETTERS)) if not unicodedata.combining(letter)]
    kept = re.sub(r"[^A-Za-z0-9_.+-]+", "_", "".join(letters))
    kept = _RESERVED.sub(r"\1_", re.sub(r"^[^A-Za-z0-9]+", "", kept).rstrip("_."))
    if kept and len(kept) <= LONGEST and not any(letter.isalnum() and not letter.isascii() for letter in letters):
        return kept
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[: LONGEST - 9]}-{digest}".lstrip("-")


def without_zeros(name: str) -> str:
    """A name with its numbers as values: ``case007`` and ``case7`` are written for one patient as a rule.

    >>> without_zeros("case007b0")
    'case7b0'
    """
    return re.sub(r"0*(\d+)", r"\1", name)


def look_alikes(patients: Iterable[str]) -> list[list[str]]:
    """Patients whose names differ in leading zeros only."""
    groups: dict[str, set[str]] = defaultdict(set)
    for patient in patients:
        groups[without_zeros(patient)].add(patient)
    return [sorted(group) for _, group in sorted(groups.items()) if len(group) > 1]
