"""Whose a file is: by its name, by a table that says so, or by being told that each is another patient's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.data.identity import UW_MADISON_PATTERN, SliceName, check_pattern, listed, look_alikes, natural_key, parse_slice_name
from core.data.prepare.tables import read_columns
from core.errors import DatasetError

VOLUME_PATTERN = r"(?P<patient>.+)_day(?P<day>\d+)$"
"""How names of whole scans tell the patient: ``case12_day3``."""
NAMES_DIFFER = "rename them, or say whose each is with --patients FILE"


@dataclass(frozen=True)
class PatientRule:
    """How `prepare` learns whose a file is."""

    pattern: str = UW_MADISON_PATTERN
    stated: Mapping[str, str] = field(default_factory=dict)
    """Patient by a file's name without ending, or by a scan's; goes before what the name tells."""
    one_a_file: bool = False
    """A file whose patient is told by neither is another patient's than any other."""

    def __post_init__(self) -> None:
        check_pattern(self.pattern)

    def read(self, stem: str, stated: str = "") -> SliceName:
        """Who and where a file is.

        Args:
            stated: the patient, where the source says so itself.
        """
        name = parse_slice_name(stem, self.pattern)
        told = stated or self.stated.get(stem) or self.stated.get(name.scan)
        if told:
            return replace(name, patient=told, parsed=True)
        return replace(name, parsed=name.parsed or self.one_a_file)

    def check(self, names: Iterable[SliceName]) -> None:
        """Check that these can be divided by patient.

        Raises:
            DatasetError: names that tell no patient; or two patients that are one, as a rule.
        """
        names = list(names)
        unknown = sorted({name.stem for name in names if not name.parsed}, key=natural_key)
        if unknown:
            todo = "say whose they are: --patients FILE (a table name,patient), --pattern such as '(?P<patient>[^_]+)_', "
            todo += "or --one_patient_a_file"
            raise DatasetError(f"{len(unknown)} of {len(names)} names tell no patient", value=listed(unknown), todo=todo)
        told = {name.patient for name in names if name.patient not in self.stated.values()}
        if alike := look_alikes(told):
            value = listed([" and ".join(group) for group in alike])
            raise DatasetError("Patients' names differ in leading zeros only", value=value, todo=NAMES_DIFFER)


def read_patients(table: Path) -> dict[str, str]:
    """Patients by file name without ending, of a table with the columns ``name`` and ``patient``.

    Raises:
        DatasetError: the table cannot be read, lacks a column or a value, or names two patients for one file.
    """
    rows = read_columns(table, ("name", "patient"), "The table of patients")
    found: dict[str, str] = {}
    for name, patient in zip(rows["name"], rows["patient"], strict=True):
        if found.setdefault(name, patient) != patient:
            what = "The table of patients names two patients for one file"
            raise DatasetError(what, value=f"{table}: {name}", todo="leave one row a name")
    return found
