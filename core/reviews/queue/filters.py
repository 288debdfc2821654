"""Which scans of a worklist to show: a filter, its form in a URL, and filters saved by name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import get_args
from urllib.parse import parse_qs, urlencode

from sqlalchemy import Connection, delete, insert, select

from core.data.leakage import LeakKind
from core.errors import ConfigError
from core.labels import ORGAN_NAMES
from core.metrics.regions import ErrorKind
from core.reviews.store.events import Verdict, check_reader
from core.reviews.store.readers import reader_key
from core.reviews.store.schema import saved_filters as table
from core.reviews.store.store import ReviewStore

UNREVIEWED, DISAGREE = "Unreviewed", "Readers disagree"
STATES = (UNREVIEWED, *(verdict.label for verdict in Verdict), DISAGREE)
MAX_VALUES = 200
MAX_LENGTH = 120
_CHOICES: dict[str, tuple[str, ...]] = {
    "organ": ORGAN_NAMES,
    "state": STATES,
    "kind": tuple(ErrorKind),
    "leak": get_args(LeakKind),
}
WORDS = ("patient", "organ", "state", "reader", "kind", "leak")
_NUMBERS = ("dice_from", "dice_to", "confidence_from", "confidence_to")
ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True)
class WorklistFilter:
    """Every part that is given must hold; of several values in one part, any may. Nothing given lets every scan through."""

    patient: tuple[str, ...] = ()
    organ: tuple[str, ...] = ()
    """Scans where the reference or the prediction shows the organ; score, confidence and kind of error are then the organ's."""
    state: tuple[str, ...] = ()
    """Of `STATES`."""
    reader: tuple[str, ...] = ()
    """Scans that one of these readers judged."""
    dice_from: float | None = None
    """Dice of the organ (of one of several), else the mean over the organs; both ends count, and no score is in no range."""
    dice_to: float | None = None
    kind: tuple[str, ...] = ()
    """Scans with an error region of this kind, see `core.metrics.regions.ErrorKind`."""
    confidence_from: float | None = None
    """Mean confidence of the model over what it drew of the organ (of one of several), else of all organs, 0 to 1."""
    confidence_to: float | None = None
    leak: tuple[str, ...] = ()
    """Whether the run was trained on the scan's patient: patient-clean, leaked or unknown."""
    disputed: bool | None = None
    """Whether the scan's reference is known to be disputed."""
    text: str = ""
    """Part of the scan's or the patient's name, of the notes or of a comment; case does not matter."""

    def __post_init__(self) -> None:
        for name in WORDS:
            values = getattr(self, name)
            if len(values) > MAX_VALUES or any(len(value) > MAX_LENGTH for value in values):
                todo = f"give at most {MAX_VALUES}, of {MAX_LENGTH} characters"
                raise ConfigError(f"Too many or too long values for the filter {name}", todo=todo)
            unknown = [value for value in values if value not in _CHOICES.get(name, values)]
            if unknown:
                todo = f"use one of: {', '.join(_CHOICES[name])}"
                raise ConfigError(f"The filter knows no such {name}", value=unknown[0], todo=todo)
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
                raise ConfigError(f"The filter {name} wants a number from 0 to 1", value=value, todo="change it")
        if len(self.text) > MAX_LENGTH:
            raise ConfigError("The text to look for is too long", todo=f"shorten it to {MAX_LENGTH} characters")

    def to_query(self) -> dict[str, list[str]]:
        """Query parameters of a URL, without the parts that are not given."""
        query = {name: list(getattr(self, name)) for name in WORDS}
        query |= {name: [repr(getattr(self, name))] for name in _NUMBERS if getattr(self, name) is not None}
        if self.disputed is not None:
            query["disputed"] = ["yes" if self.disputed else "no"]
        query["text"] = [self.text] if self.text else []
        return {name: values for name, values in query.items() if values}

    def to_url(self) -> str:
        """`to_query` as the part of a URL behind the question mark."""
        return urlencode(self.to_query(), doseq=True)

    @classmethod
    def from_query(cls, query: Mapping[str, str | Sequence[str]]) -> "WorklistFilter":
        """The filter that a URL's parameters name; parameters that are no part of a filter are left alone.

        Raises:
            ConfigError: a value that the part cannot have.
        """
        known = {each.name for each in fields(cls)}
        given = {name: [value] if isinstance(value, str) else list(value) for name, value in query.items() if name in known}
        parts: dict[str, object] = {name: tuple(given[name]) for name in WORDS if name in given}
        parts |= {name: _number(name, given[name][-1]) for name in _NUMBERS if given.get(name)}
        if given.get("disputed"):
            answer = given["disputed"][-1]
            if answer not in ANSWERS:
                raise ConfigError("The filter disputed wants yes or no", value=answer[:MAX_LENGTH], todo="change it")
            parts["disputed"] = ANSWERS[answer]
        if given.get("text"):
            parts["text"] = given["text"][-1].strip()
        return cls(**parts)  # type: ignore[arg-type]

    @classmethod
    def from_url(cls, text: str) -> "WorklistFilter":
        """The filter that `to_url` wrote. Raises: see `from_query`."""
        return cls.from_query(parse_qs(text))


def _number(name: str, word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise ConfigError(f"The filter {name} wants a number from 0 to 1", value=word[:MAX_LENGTH], todo="change it") from error


@dataclass(frozen=True)
class SavedFilter:
    """A filter under a name."""

    name: str
    filter: WorklistFilter
    owner: str = ""
    """The reader whose it is; empty where it is everybody's."""


def save_filter(store: ReviewStore, saved: SavedFilter) -> None:
    """Save a filter; one of the same name and owner is replaced.

    Raises:
        ReviewError: an impossible name or owner, or the database refuses.
    """
    owner, name = saved.owner and check_reader(saved.owner), check_reader(saved.name)
    with store.writing() as connection:
        _delete(connection, name, owner)
        connection.execute(insert(table).values(owner=owner, name=name, query=saved.filter.to_url()))


def saved_filters(store: ReviewStore, reader: str) -> list[SavedFilter]:
    """The filters of a reader and those of everybody, by name. Raises: see `ReviewStore.reading`."""
    with store.reading() as connection:
        rows = connection.execute(select(table).order_by(table.c.name, table.c.owner)).all()
    mine = ("", reader_key(reader))
    return [SavedFilter(row.name, WorklistFilter.from_url(row.query), row.owner) for row in rows if reader_key(row.owner) in mine]


def delete_filter(store: ReviewStore, name: str, *, owner: str = "") -> None:
    """Delete a saved filter; one that is not there is no error. Raises: see `ReviewStore.writing`."""
    with store.writing() as connection:
        _delete(connection, name, owner)


def _delete(connection: Connection, name: str, owner: str) -> None:
    owners = connection.scalars(select(table.c.owner).where(table.c.name == name)).all()
    same = [each for each in owners if reader_key(each) == reader_key(owner)]
    connection.execute(delete(table).where(table.c.owner.in_(same), table.c.name == name))
