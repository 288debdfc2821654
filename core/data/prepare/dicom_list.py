"""The series of a DICOM folder as people choose among them: by pseudonym, shifted date, technique and size, never by name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from core.data.grid import Grid
from core.data.prepare.key_file import Key
from core.data.readers.dicom import MAX_SERIES_PIXELS, check_size
from core.data.readers.dicom_files import numbers, text
from core.data.readers.dicom_geometry import Plane, planes_of, stack_of
from core.data.readers.dicom_series import DicomFolder, SeriesFiles, referenced_series
from core.errors import GutCheckError

DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
"""Where a date may stand, the one that counts first."""
TERMS = {
    "ScanningSequence": {"SE", "IR", "GR", "EP", "RM"},
    "SequenceVariant": {"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP"},
    "MRAcquisitionType": {"2D", "3D"},
}
"""The standard's terms (PS3.3 C.8.3.1); anything else in these tags may be somebody's name."""
QUANTITIES = {
    "RepetitionTime": "TR {:g} ms",
    "EchoTime": "TE {:g} ms",
    "InversionTime": "TI {:g} ms",
    "FlipAngle": "{:g}°",
    "MagneticFieldStrength": "{:g} T",
    "KVP": "{:g} kV",
}


@dataclass(frozen=True)
class ListedSeries:
    """One line of the list."""

    series: SeriesFiles = field(repr=False)
    scan: str
    """Its name in a data set: ``PSEUDONYM_dayN``, and ``_sM`` where there are several of that day."""
    patient: str
    """Pseudonym."""
    date: str
    """Shifted, ISO; empty where it is unknown."""
    sequence: str
    slices: int
    size: tuple[int, int]
    """(height, width)"""
    grid: Grid
    masks: tuple[Path, ...]
    """Segmentations and structure sets that were drawn on it."""
    problem: GutCheckError | None
    """Why it cannot be prepared."""

    def to_json(self) -> dict[str, Any]:
        """What the command prints of it."""
        return {
            "series": self.series.uid,
            "scan": self.scan,
            "patient": self.patient,
            "date": self.date or None,
            "modality": self.series.modality,
            "sequence": self.sequence,
            "slices": self.slices,
            "size": list(self.size),
            "spacing_mm": None if self.grid.spacing_mm is None else [round(step, 4) for step in self.grid.spacing_mm],
            "orientation": self.grid.orientation,
            "masks": len(self.masks),
            "problem": None if self.problem is None else str(self.problem),
        }


def patient_of(series: SeriesFiles) -> str:
    """By what the key knows the patient: the ID that the files state, or else the study. Not to be shown."""
    return text(series.first, "PatientID") or f"study {series.study_uid}"


def date_of(series: SeriesFiles) -> date | None:
    """The true date of a series. Not to be shown."""
    for name in DATES:
        stated = text(series.first, name).replace(".", "")
        if len(stated) == 8 and stated.isdecimal():
            try:
                return date.fromisoformat(stated)
            except ValueError:
                continue
    return None


def listed_series(folder: DicomFolder, key: Key) -> list[ListedSeries]:
    """The series of a folder under their pseudonyms, which the key is extended by."""
    names, days = _names(folder.series, key)
    masks: dict[str, list[Path]] = {}
    for path in (*folder.segmentations, *folder.structure_sets):
        for series_uid in referenced_series(path):
            masks.setdefault(series_uid, []).append(path)
    lines = []
    for series in folder.series:
        slices, size, grid, sequence, problem = _described(series)
        scan, patient = names[id(series)]
        drawn = tuple(masks.get(series.uid, ())) if series.uid else ()
        lines.append(ListedSeries(series, scan, patient, days[id(series)], sequence, slices, size, grid, drawn, problem))
    return lines


def _names(series: Sequence[SeriesFiles], key: Key) -> tuple[dict[int, tuple[str, str]], dict[int, str]]:
    """Scan and pseudonym, and the shifted date, by the series' identity."""
    patients = {id(each): key.pseudonym(patient_of(each)) for each in series}
    dates = {id(each): date_of(each) for each in series}
    for each in series:
        key.note_study(patients[id(each)], dates[id(each)])
    days = {number: key.day(patients[number], dates[number]) for number in patients}
    bases = {number: patients[number] + ("" if day is None else f"_day{day}") for number, day in days.items()}
    count, seen = Counter(bases.values()), Counter[str]()
    names = {}
    for number, base in bases.items():
        seen[base] += 1
        names[number] = (f"{base}_s{seen[base]}" if count[base] > 1 else base, patients[number])
    return names, {number: key.shifted(patients[number], dates[number]) for number in patients}


def _described(series: SeriesFiles) -> tuple[int, tuple[int, int], Grid, str, GutCheckError | None]:
    planes: list[Plane] = []
    size, grid = (0, 0), Grid()
    try:
        planes = planes_of(series)
        size = check_size(planes, MAX_SERIES_PIXELS)
        _, grid, _, _ = stack_of(planes).turned(np.zeros((1, 1, 1), np.uint8))
    except GutCheckError as problem:
        return len(planes), size, grid, _sequence(planes, series), problem
    return len(planes), size, grid, _sequence(planes, series), None


def _sequence(planes: list[Plane], series: SeriesFiles) -> str:
    """How it was taken, in the standard's terms and numbers alone: what people write there can be a name."""
    groups = planes[0].groups if planes else (series.first,)
    words = []
    for name, known in TERMS.items():
        stated = next((text(group, name) for group in groups if name in group), "")
        words += [word for word in stated.split("\\") if word in known]
    for name, pattern in QUANTITIES.items():
        found = next((each for group in groups if (each := numbers(group, name))), None)
        words += [pattern.format(found[0])] if found and 0 < found[0] < 1e5 else []
    return " ".join(words)
