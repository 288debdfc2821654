"""`prepare dicom DIR`: series from a folder of anything, under pseudonyms, with what was drawn on them as the reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.config import SplitConfig
from core.data.manifest import DatasetManifest
from core.data.prepare.dicom_list import ListedSeries, listed_series, patient_of
from core.data.prepare.dicom_masks import reference_of
from core.data.prepare.key_file import Key, extending, key_place
from core.data.prepare.writer import Prepared, add_volume, writing_dataset
from core.data.readers.dicom import read_series
from core.data.readers.dicom_series import SEGMENTATION, STRUCTURE_SET, DicomFolder, files_of, look_through, nothing_found
from core.data.readers.label_files import LabelTable
from core.data.volume import DicomSource, LabelVolume, Volume
from core.errors import DatasetError

DICOM_PATTERN = r"(?P<scan>(?P<patient>pt[0-9a-z]+)(?:_day(?P<day>\d+))?(?:_s\d+)?)_slice_(?P<slice>\d+)"
ALL = "all"
UNNAMED = "What was drawn on the series has no name that is known here, so it has no reference; name the organs with --map."


@dataclass(frozen=True)
class FoundSeries:
    """What a folder holds, under pseudonyms."""

    folder: DicomFolder
    lines: tuple[ListedSeries, ...]
    key: Path
    """Where the key lies that tells whose they are."""
    notes: tuple[str, ...]

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What people should know, with how many series cannot be prepared."""
        left = sum(line.problem is not None for line in self.lines)
        unread = (f"Series of the folder that cannot be prepared: {left}; --list says why.",) if left else ()
        return (*self.notes, *unread)


def list_dicom(
    source: Path, *, out: Path | None = None, key: Path | None = None, progress: ReportProgress = silent
) -> FoundSeries:
    """Find the series below a folder, and enter their patients into the key.

    Args:
        out: folder of the data set that will be made, if it is known; the key's default place lies beside its workspace.

    Raises:
        DatasetError: no folder, or no series in it.
        ConfigError: the key would lie in the workspace, or is none.
    """
    place = key_place(key, out)
    files = files_of(source)
    folder = look_through(files, progress)
    if not folder.series:
        raise nothing_found(folder, files, source)
    with extending(place) as kept:
        began = {name: patient.first_study for name, patient in kept.patients.items()}
        lines = listed_series(folder, kept)
        moved = sum(began.get(name) not in (None, patient.first_study) for name, patient in kept.patients.items())
    return FoundSeries(folder, tuple(lines), place, _notes(folder, lines, moved))


def _notes(folder: DicomFolder, lines: Sequence[ListedSeries], moved: int) -> tuple[str, ...]:
    nameless = sum(patient_of(line.series).startswith("study ") for line in lines)
    loose = len({*folder.segmentations, *folder.structure_sets} - {path for line in lines for path in line.masks})
    others = {kind: count for kind, count in folder.left_out.items() if kind not in (SEGMENTATION, STRUCTURE_SET)}
    found = (
        (replace(folder, left_out=others).note, True),
        (f"Series without a patient's ID: {nameless}; each of their studies counts as a patient.", nameless),
        (f"Segmentations and structure sets that were drawn on none of these series: {loose}.", loose),
        (f"Patients of whom an earlier study than any before was found: {moved}; days of other data sets begin later.", moved),
    )
    return tuple(note for note, counts in found if note and counts)


def prepare_dicom(
    found: FoundSeries,
    out: Path,
    *,
    split: SplitConfig,
    chosen: str = "",
    table: LabelTable | None = None,
    new_uids: bool = False,
    name: str | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Write the chosen series of a folder as the data set ``out``, divided by patient; those without a reference are a split.

    Of the files' tags only unique identifiers are kept, or new ones in their place.

    Args:
        chosen: ``all``, or UIDs or names of the list, comma-separated; not needed where there is one series.
        table: which structure is which organ; by default by their names.
        new_uids: write other identifiers than the files'; the key holds which is which.

    Raises:
        DatasetError: none or an unknown series is chosen, or it cannot be prepared; or too few patients to divide.
        ImageError, MaskError: a file that cannot be used, named.
        WorkspaceError: ``out`` holds something already, or cannot be written.
    """
    lines = choose_series(found, chosen)
    manifest = DatasetManifest(
        name=name or out.resolve().name, source="DICOM series", pattern=DICOM_PATTERN, notes=found.all_notes
    )
    with writing_dataset(out, manifest, split) as draft:
        for done, line in enumerate(lines):
            progress(done, len(lines), line.scan)
            volume, reference = _read(found, line, table or LabelTable(), new_uids=new_uids)
            add_volume(draft, line.scan, line.patient, volume, reference)
        progress(len(lines), len(lines), "hashing")
    return draft.result


def _read(found: FoundSeries, line: ListedSeries, table: LabelTable, *, new_uids: bool) -> tuple[Volume, LabelVolume | None]:
    """A series and what was drawn on it."""
    volume = read_series(line.series)
    reference = reference_of(volume, line.masks, table)
    if line.masks and reference is None:
        volume = replace(volume, notes=(*volume.notes, UNNAMED))
    if new_uids and volume.dicom is not None:
        with extending(found.key) as key:
            volume = replace(volume, dicom=with_new_uids(volume.dicom, key))
    return volume, reference


def choose_series(found: FoundSeries, chosen: str) -> list[ListedSeries]:
    """The series to prepare. With ``all``, those that can be.

    Raises:
        DatasetError: none, an unknown one, or one that cannot be prepared; or several where none is chosen.
        ImageError: likewise.
    """
    words = [word.strip() for word in chosen.split(",") if word.strip()]
    if not words and len(found.lines) > 1:
        todo = "choose with --series UID,… or --series all; --list shows them"
        raise DatasetError(f"The folder holds {len(found.lines)} series", todo=todo)
    if words == [ALL]:
        usable = [line for line in found.lines if line.problem is None]
        if usable:
            return usable
    by_name = {word: line for line in found.lines for word in (line.series.uid, line.scan) if word}
    unknown = [word for word in words if word not in by_name and word != ALL]
    if unknown:
        raise DatasetError("The folder has no such series", value=unknown[0], todo="choose from those that --list shows")
    lines = list({by_name[word].scan: by_name[word] for word in words if word != ALL}.values()) or list(found.lines)
    for line in lines:
        if line.problem is not None:
            raise line.problem
    return lines


def with_new_uids(source: DicomSource, key: Key) -> DicomSource:
    """The same with identifiers that the key gives in place of the files'."""
    return replace(
        source,
        study_uid=key.new_uid(source.study_uid),
        series_uid=key.new_uid(source.series_uid),
        frame_of_reference_uid=key.new_uid(source.frame_of_reference_uid),
        instance_uids=tuple(key.new_uid(each) for each in source.instance_uids),
    )
