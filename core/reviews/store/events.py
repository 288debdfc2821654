"""What a reviewer can say of a scan: a verdict, findings, a comment; and taking one of them back."""

import hashlib
import json
import math
import re
import unicodedata
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from core.errors import ReviewError, WorkspaceError
from core.labels import ORGAN_NAMES
from core.reviews.store.readers import reader_key
from core.storage.workspace import check_name

SCORE_KNOWN = "score_known"
"""In a verdict's payload: whether the scan's score was known to the reader. Verdicts of earlier versions do not say."""
MAX_COMMENT = 4000
MAX_READER = 80
MAX_READERS_PER_SCAN = 20
_SHA256 = re.compile("[0-9a-f]{64}")
_HASH = re.compile("[0-9A-Za-z]{0,64}")
_ID = re.compile("[0-9A-Za-z_-]{1,64}")
EventKind = Literal["verdict", "finding", "comment", "correction", "activity", "carry", "round", "scores_seen", "withdrawal"]


class Verdict(StrEnum):
    """How usable a prediction is, from the four-point scale; or why it cannot be judged."""

    ACCEPT = "accept"
    MINOR_EDITS = "minor_edits"
    MAJOR_EDITS = "major_edits"
    REJECT = "reject"
    REFERENCE_WRONG = "reference_wrong"
    UNUSABLE_IMAGE = "unusable_image"

    @property
    def label(self) -> str:
        """What people read."""
        return _TITLES[self]


_TITLES = {
    Verdict.ACCEPT: "Accept",
    Verdict.MINOR_EDITS: "Minor edits",
    Verdict.MAJOR_EDITS: "Major edits",
    Verdict.REJECT: "Reject",
    Verdict.REFERENCE_WRONG: "The reference is wrong",
    Verdict.UNUSABLE_IMAGE: "Unusable image",
}


class FindingKind(StrEnum):
    """What is wrong at one place."""

    MISSED = "missed"
    EXTRA = "extra"
    BOUNDARY = "boundary"
    SWAPPED = "swapped"


@dataclass(frozen=True)
class Subject:
    """What was looked at: a scan of one evaluation, with the hashes of the very pixels that were shown."""

    run: str
    evaluation: str
    scan: str
    image_sha256: str
    mask_sha256: str
    """Of the predicted label volume."""


@dataclass(frozen=True)
class Finding:
    """Something wrong at one place of a scan."""

    kind: FindingKind
    organ: str
    slice_number: int
    x: int | None = None
    """Column in pixels of the slice's stored size; nothing means the whole slice."""
    y: int | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        if self.organ not in ORGAN_NAMES:
            raise ReviewError("A finding names no organ", value=self.organ, todo=f"use one of: {', '.join(ORGAN_NAMES)}")
        check_comment(self.comment)


@dataclass(frozen=True)
class Correction:
    """A mask that a reader corrected; its file is named by its hash."""

    mask_sha256: str
    """Of the corrected label volume."""
    base_sha256: str
    """Of the label volume that the reader began with: the prediction, or an earlier correction."""
    changed_voxels: int
    """Voxels whose class differs between the two."""
    seconds: float
    """Active time that the correction took, idle time left out."""

    def __post_init__(self) -> None:
        for digest in (self.mask_sha256, self.base_sha256):
            if not _SHA256.fullmatch(digest):
                raise ReviewError("A correction names its masks by SHA-256", value=digest[:80], todo="save it again")
        if self.changed_voxels < 0 or not (math.isfinite(self.seconds) and self.seconds >= 0):
            value = f"{self.changed_voxels} voxels, {self.seconds} s"
            raise ReviewError("A correction has an impossible size or time", value=value, todo="save it again")


Order = Literal["worst", "least_confident", "most_changed", "random", "name"]
BLIND_ORDERS: tuple[Order, ...] = ("random", "name")
"""Orders that tell nothing of the score."""


@dataclass(frozen=True)
class Round:
    """How the scans of one evaluation are reviewed: the settings that a lead gives, the last of which are in force."""

    name: str = "Review"
    readers_per_scan: int = 1
    """Different readers that each scan goes to."""
    blind: bool = False
    """Hide the score, the run's name and the other readers' verdicts until one's own verdict is in."""
    filter: str = ""
    """The scans to review, as a URL query, see `core.reviews.queue.filters.WorklistFilter`; empty means all."""
    order: Order | None = None
    """Of the queue; by default random in a blind round, since any order by score would tell it, and worst first otherwise."""
    seed: int = 0
    """Of the random order."""

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > MAX_READER or not self.name.isprintable():
            raise ReviewError("This is no round's name", value=self.name[:MAX_READER], todo=f"use 1 to {MAX_READER} characters")
        if not 1 <= self.readers_per_scan <= MAX_READERS_PER_SCAN:
            todo = f"use 1 to {MAX_READERS_PER_SCAN}"
            raise ReviewError("Impossible number of readers for a scan", value=self.readers_per_scan, todo=todo)
        if self.blind and self.order is not None and self.order not in BLIND_ORDERS:
            todo = f"use one of: {', '.join(BLIND_ORDERS)}"
            raise ReviewError("This order would tell the score in a blind round", value=self.order, todo=todo)
        check_comment(self.filter)

    @property
    def queue_order(self) -> Order:
        """``order``, or its default."""
        return self.order or ("random" if self.blind else "worst")


@dataclass(frozen=True)
class Event:
    """One row of the store."""

    sequence: int
    """Position in the store, from 1."""
    id: str
    """Chosen by the sender; sending the same event twice stores it once."""
    at: str
    """UTC, ISO 8601, by the server's clock."""
    reader: str
    kind: EventKind
    subject: Subject
    payload: dict[str, Any]
    previous_hash: str
    hash: str


def check_subject(subject: Subject) -> Subject:
    """Return ``subject`` if its names can be those of a run, an evaluation and a scan, and never lead out of a folder.

    A round's settings are about no single scan, so the scan may be empty.

    Raises:
        ReviewError: an impossible name or hash.
    """
    try:
        check_name(subject.run, "run")
        check_name(subject.evaluation, "evaluation")
        if subject.scan:
            check_name(subject.scan, "scan")
    except WorkspaceError as error:
        raise ReviewError(error.what, value=error.value, todo=error.todo) from error
    for digest in (subject.image_sha256, subject.mask_sha256):
        if not _HASH.fullmatch(digest):
            raise ReviewError("This is no hash", value=digest[:80], todo="open the scan again")
    return subject


def check_id(event_id: str) -> str:
    """Return an event's id as its sender chose it.

    Raises:
        ReviewError: not 1 to 64 letters, digits, ``_`` or ``-``.
    """
    if not _ID.fullmatch(event_id):
        raise ReviewError("This is no id of an event", value=event_id[:80], todo="use 1 to 64 letters, digits, _ and -")
    return event_id


def check_comment(text: str) -> str:
    """Return ``text`` without outer spaces.

    Raises:
        ReviewError: over 4,000 characters, or with half of a character pair, which no file can hold.
    """
    text = text.strip()
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ReviewError("The comment holds a broken character", todo="type it again")
    if len(text) > MAX_COMMENT:
        what = f"The comment has {len(text):,} characters"
        raise ReviewError(what, todo=f"shorten it to {MAX_COMMENT:,}")
    return text


def check_reader(name: str) -> str:
    """Return a reader's name with single spaces and each letter in its composed form, spelt as it was otherwise.

    Which spellings are one reader, and which names look like another's, `core.reviews.store.readers` says.

    Raises:
        ReviewError: empty, over 80 characters, or with line breaks or other control characters, or nothing that can be seen.
    """
    spaced = "".join(" " if unicodedata.category(sign) == "Zs" else sign for sign in name)
    name = re.sub(" +", " ", unicodedata.normalize("NFC", spaced.strip()))
    if not name or len(name) > MAX_READER or not name.isprintable() or not reader_key(name):
        raise ReviewError("This is no reader's name", value=name[:MAX_READER] or None, todo=f"use 1 to {MAX_READER} characters")
    return name


def event_hash(*, id: str, at: str, reader: str, kind: str, subject: Subject, payload: dict[str, Any], previous_hash: str) -> str:
    """SHA-256 over everything an event says and the hash of the one before, so that no row can be changed unseen."""
    content = [previous_hash, id, at, reader, kind, asdict(subject), payload]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
