"""What a reviewer can say of a scan: a verdict, findings, a comment; and taking one of them back."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from core.errors import ReviewError
from core.labels import ORGAN_NAMES

MAX_COMMENT = 4000
MAX_READER = 80
EventKind = Literal["verdict", "finding", "comment", "withdrawal"]


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
    """Return a reader's name without outer spaces.

    Raises:
        ReviewError: empty, over 80 characters, or with line breaks or other control characters.
    """
    name = name.strip()
    if not name or len(name) > MAX_READER or not name.isprintable():
        raise ReviewError("This is no reader's name", value=name[:MAX_READER] or None, todo=f"use 1 to {MAX_READER} characters")
    return name


def event_hash(*, id: str, at: str, reader: str, kind: str, subject: Subject, payload: dict[str, Any], previous_hash: str) -> str:
    """SHA-256 over everything an event says and the hash of the one before, so that no row can be changed unseen."""
    content = [previous_hash, id, at, reader, kind, asdict(subject), payload]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
