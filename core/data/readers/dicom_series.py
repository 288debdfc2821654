"""Finding DICOM series in a folder of anything: which files belong together, and what is left out and why."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.cli.progress import ReportProgress, silent
from core.data.identity import natural_key
from core.data.readers.dicom_files import MODALITIES, is_dicom, numbers, quiet, read_header, term, text, uid
from core.errors import DatasetError, ImageError, InputError

STORAGE = "1.2.840.10008.5.1.4.1.1."
RTSTRUCT_CLASS = STORAGE + "481.3"
SEGMENTATION, STRUCTURE_SET = "segmentation", "structure set"
OTHERS = {
    "1.2.840.10008.1.3.10": "DICOMDIR",
    STORAGE + "11.": "presentation state",
    STORAGE + "88.": "report",
    STORAGE + "66": SEGMENTATION,
    RTSTRUCT_CLASS: STRUCTURE_SET,
    STORAGE + "481.": "radiotherapy object",
    STORAGE + "30": "parametric map",
}
"""What holds no scan, by how its SOP class begins (PS3.6, annex A)."""
DAMAGED, COPY, COLOUR, LOCALIZER, NO_PICTURE = "damaged file", "duplicate", "colour picture", "localizer", "other object"
ALONE = {COLOUR: "The DICOM file is in colour", NO_PICTURE: "The DICOM file holds no picture"}


@dataclass(frozen=True)
class SeriesFiles:
    """The image files of one series, not yet read."""

    uid: str
    """Series instance UID; empty where the files state none."""
    paths: tuple[Path, ...]
    headers: tuple[Any, ...] = field(repr=False)
    """A pydicom dataset for each path, without pixels."""
    notes: tuple[str, ...] = ()
    """What was found beside it and left out."""

    @property
    def first(self) -> Any:
        return self.headers[0]

    @property
    def modality(self) -> str:
        return term(self.first, "Modality", MODALITIES)

    @property
    def study_uid(self) -> str:
        return uid(self.first, "StudyInstanceUID")

    @property
    def frame_of_reference_uid(self) -> str:
        return uid(self.first, "FrameOfReferenceUID")


@dataclass(frozen=True)
class DicomFolder:
    """What lies in a folder of anything."""

    series: tuple[SeriesFiles, ...]
    """By study, series number and UID."""
    segmentations: tuple[Path, ...] = ()
    structure_sets: tuple[Path, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    """How many DICOM objects belong to no series of pictures, by what they are."""

    @property
    def note(self) -> str:
        """One sentence on what was left out; empty where nothing was."""
        counted = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(self.left_out.items())]
        return f"Left out beside the series: {', '.join(counted)}." if counted else ""


def find_series(paths: Path | Iterable[Path]) -> list[SeriesFiles]:
    """The series of a folder (with all below) or of files, each with a note that counts what was left out.

    Files that are no DICOM are passed over. A file without the standard's preamble is DICOM where its first tag says so.

    Raises:
        DatasetError: no folder, or no series among the files.
        ImageError: there is one DICOM file only, and it holds no series; it says why.
    """
    files = files_of(paths)
    found = look_through(files)
    if not found.series:
        raise nothing_found(found, files, paths)
    notes = (found.note,) if found.note else ()
    return [replace(series, notes=notes) for series in found.series]


def files_of(paths: Path | Iterable[Path]) -> list[Path]:
    """The files given or below a folder, in the order of their names, hidden ones left out.

    Raises:
        DatasetError: there is no such folder.
    """
    if not isinstance(paths, Path):
        return list(paths)
    if not paths.exists():
        raise DatasetError("The folder does not exist", value=paths, todo="check the path")
    files = [paths] if paths.is_file() else [path for path in paths.rglob("*") if path.is_file()]
    shown = [path for path in files if not any(part.startswith(".") for part in path.relative_to(paths).parts)]
    return sorted(shown, key=lambda path: natural_key(path.as_posix()))


@quiet()
def look_through(files: Sequence[Path], progress: ReportProgress = silent) -> DicomFolder:
    """Sort DICOM files into series of grey pictures, segmentations, structure sets, and what is neither."""
    groups: dict[tuple[str, str], list[tuple[Path, Any]]] = {}
    left: Counter[str] = Counter()
    objects: dict[str, list[Path]] = {SEGMENTATION: [], STRUCTURE_SET: []}
    seen: set[str] = set()
    for done, path in enumerate(files):
        progress(done, len(files), "reading headers")
        if not is_dicom(path):
            continue
        try:
            header = read_header(path)
        except ImageError:
            left[DAMAGED] += 1
            continue
        kind, instance = kind_of(header), uid(header, "SOPInstanceUID")
        kind = COPY if instance and instance in seen else kind
        seen.add(instance)
        if kind:
            left[kind] += 1
            objects.get(kind, []).append(path)
        else:
            groups.setdefault((uid(header, "StudyInstanceUID"), uid(header, "SeriesInstanceUID")), []).append((path, header))
    progress(len(files), len(files), "reading headers")
    series = [SeriesFiles(key[1], *(tuple(each) for each in zip(*members, strict=True))) for key, members in groups.items()]
    series.sort(key=lambda each: (each.study_uid, numbers(each.first, "SeriesNumber") or (math.inf,), natural_key(each.uid)))
    return DicomFolder(tuple(series), tuple(objects[SEGMENTATION]), tuple(objects[STRUCTURE_SET]), dict(left))


@quiet()
def referenced_series(path: Path) -> frozenset[str]:
    """UIDs of the series that a segmentation or structure set was drawn on; none where the file does not say, or is damaged."""
    found: set[str] = set()
    try:
        header = read_header(path)
        found |= {uid(each, "SeriesInstanceUID") for each in header.get("ReferencedSeriesSequence") or ()}
        for frame in header.get("ReferencedFrameOfReferenceSequence") or ():
            for study in frame.get("RTReferencedStudySequence") or ():
                found |= {uid(each, "SeriesInstanceUID") for each in study.get("RTReferencedSeriesSequence") or ()}
    except Exception:  # a damaged sequence raises many kinds in pydicom
        return frozenset()
    return frozenset(found - {""})


def kind_of(header: Any) -> str:
    """What a DICOM object is if it is no grey picture of a scan; empty for one that is."""
    sop_class = uid(header, "SOPClassUID") or uid(header.file_meta, "MediaStorageSOPClassUID")
    for start, kind in OTHERS.items():
        if sop_class == start or sop_class.startswith(start if start.endswith(".") else start + "."):
            return kind
    colours = text(header, "PhotometricInterpretation")
    if not colours or not all(numbers(header, name) for name in ("Rows", "Columns")):
        return NO_PICTURE
    if not colours.startswith("MONOCHROME") or (numbers(header, "SamplesPerPixel") or (1.0,)) != (1.0,):
        return COLOUR
    return LOCALIZER if "LOCALIZER" in text(header, "ImageType").upper().split("\\") else ""


def nothing_found(found: DicomFolder, files: Sequence[Path], paths: Path | Iterable[Path]) -> InputError:
    """The error of files among which there is no series: of a single one, what it is."""
    dicom = [path for path in files if is_dicom(path)]
    if len(dicom) == 1 and found.left_out:
        (kind,) = found.left_out
        if kind == DAMAGED:
            return ImageError("The DICOM file is damaged", value=dicom[0], todo="export it again")
        what = ALONE.get(kind, f"The DICOM file is no scan ({kind})")
        return ImageError(what, value=dicom[0], todo="give the image files of a grey series")
    value = paths if isinstance(paths, Path) else f"{len(files)} files"
    held = found.note.partition(": ")[2].rstrip(".")
    what = f"There is no grey DICOM series, only {held}" if held else "There is no DICOM file"
    return DatasetError(what, value=value, todo="give the image files of a series")
