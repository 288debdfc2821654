"""The key: which pseudonym is which patient, and by how many days their dates were shifted. It never lies in a workspace."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from core.errors import ConfigError, WorkspaceError
from core.storage.files import read_json, write_whole
from core.storage.locks import locked
from core.storage.workspace import Workspace

KEY_FORMAT = "gutcheck-key/1"
SUFFIX = ".key.json"
LETTERS = "23456789bcdfghjkmnpqrstvwxz"
"""Without vowels, so that no words come out, and without what is easily misread."""
PSEUDONYM_LETTERS = 6
SHIFT_DAYS = (365, 3650)
"""Dates are moved back by a number of days drawn between these."""


@dataclass
class KeptPatient:
    """What the key holds of a patient."""

    patient_id: str = field(repr=False)
    """As the files state it; of files that state none, the study's UID."""
    shift_days: int = field(repr=False)
    """To be added to a true date for the one that is shown."""
    first_study: str | None = field(default=None, repr=False)
    """ISO date of the earliest study that was prepared; days count from it."""


@dataclass
class Key:
    """A key file's content, as it is extended."""

    patients: dict[str, KeptPatient] = field(default_factory=dict)
    """By pseudonym."""
    uids: dict[str, str] = field(default_factory=dict)
    """New identifier by the files' own, where they were replaced."""

    def pseudonym(self, patient_id: str) -> str:
        """The patient's pseudonym, drawn where they are new."""
        known = next((name for name, kept in self.patients.items() if kept.patient_id == patient_id), None)
        if known is not None:
            return known
        while (drawn := "pt" + "".join(secrets.choice(LETTERS) for _ in range(PSEUDONYM_LETTERS))) in self.patients:
            pass
        shift = SHIFT_DAYS[0] + secrets.randbelow(SHIFT_DAYS[1] - SHIFT_DAYS[0])
        self.patients[drawn] = KeptPatient(patient_id, -shift)
        return drawn

    def note_study(self, pseudonym: str, day: date | None) -> None:
        """Keep the date of the patient's earliest study."""
        kept = self.patients[pseudonym]
        if day is not None and (kept.first_study is None or day.isoformat() < kept.first_study):
            kept.first_study = day.isoformat()

    def day(self, pseudonym: str, day: date | None) -> int | None:
        """Days since the patient's first study; ``None`` where the date is unknown."""
        first = self.patients[pseudonym].first_study
        return (day - date.fromisoformat(first)).days if day and first else None

    def shifted(self, pseudonym: str, day: date | None) -> str:
        """The date that may be shown, ISO; empty where it is unknown."""
        try:
            return (day + timedelta(self.patients[pseudonym].shift_days)).isoformat() if day else ""
        except OverflowError:
            return ""

    def new_uid(self, uid: str) -> str:
        """The identifier that stands for one of the files'; the same each time."""
        import pydicom

        if uid and uid not in self.uids:
            self.uids[uid] = str(pydicom.uid.generate_uid(prefix=None))
        return self.uids.get(uid, "")


def key_place(key: Path | None, out: Path | None) -> Path:
    """Where the key lies: as stated, or else beside the workspace that the data set is in, or that would be used by default.

    Raises:
        ConfigError: in the workspace or the data set, which are passed on.
    """
    usual = Workspace.locate().root
    there = out.resolve() if out is not None else usual
    in_another = not there.is_relative_to(usual) and there.parent.name == Workspace(there).datasets.name
    workspace = there.parents[1] if in_another else usual
    place = (key or workspace.with_name(workspace.name + SUFFIX)).resolve()
    if any(place.is_relative_to(root) for root in (workspace, usual, there)):
        todo = "keep it elsewhere, for whoever has it knows whose the scans are"
        raise ConfigError("The key would lie in the workspace", value=place, todo=todo)
    if place.is_dir():
        raise ConfigError("The key is a folder", value=place, todo="name a file")
    return place


@contextmanager
def extending(place: Path) -> Iterator[Key]:
    """Read a key, or begin one, and write it whole when the block ends well, readable by its owner only; nobody else may
    extend it meanwhile.

    Raises:
        ConfigError: the file is no key.
        WorkspaceError: it cannot be written; or locked for too long.
    """
    with locked(place.with_name(f".{place.name}.lock")):
        key = read_key(place) if place.exists() else Key()
        before = _content(key)
        yield key
        if _content(key) != before:
            write_whole(place, key_bytes(key), mode=0o600)


def read_key(place: Path) -> Key:
    """The key in a file.

    Raises:
        ConfigError: missing, or no key; what it holds is not quoted.
    """
    try:
        content = read_json(place)
        if content["format"] != KEY_FORMAT:
            raise ValueError("another format")
        patients = {str(name): _patient(kept) for name, kept in content["patients"].items()}
        return Key(patients, {str(old): str(new) for old, new in content["uids"].items()})
    except (WorkspaceError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ConfigError("The key cannot be read", value=place, todo="restore it, or name another file") from error


def _patient(kept: dict[str, Any]) -> KeptPatient:
    first = kept["first_study"]
    return KeptPatient(str(kept["patient_id"]), int(kept["shift_days"]), first and date.fromisoformat(first).isoformat())


def _content(key: Key) -> dict[str, Any]:
    return {"format": KEY_FORMAT, **asdict(key)}


def key_bytes(key: Key) -> bytes:
    """A key as its file holds it."""
    return (json.dumps(_content(key), indent=2) + "\n").encode()
