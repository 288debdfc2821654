"""Whole scans, one file or folder a scan, written as a data set; what every source of volumes shares."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.config import SplitConfig
from core.data.identity import SCAN_PATTERN, clean_name, listed
from core.data.manifest import DatasetManifest
from core.data.prepare.patients import VOLUME_PATTERN, PatientRule
from core.data.prepare.scan_files import read_image_volume, read_label_volume
from core.data.prepare.writer import Draft, Prepared, add_volume, writing_dataset
from core.data.readers.label_files import LabelTable
from core.data.readers.same_place import check_same_place
from core.data.volume import LabelVolume, Volume
from core.errors import DatasetError
from core.storage.files import check_empty


@dataclass(frozen=True)
class ScanFiles:
    """One scan of a source."""

    name: str
    image: Path
    reference: Path | None = None
    patient: str = ""
    """Where the source says it."""


@dataclass(frozen=True)
class VolumeOptions:
    """How the scans of a source are read and divided."""

    split: SplitConfig | None = field(default_factory=SplitConfig)
    """``None`` where the source says which scans validate."""
    valid: Collection[str] = ()
    """Names of scans to validate on, where the source says so."""
    patients: PatientRule = field(default_factory=lambda: PatientRule(VOLUME_PATTERN))
    labels: LabelTable = field(default_factory=LabelTable)
    label_names: Mapping[int, str] = field(default_factory=dict)
    """What the source calls its labels, where the files themselves do not."""


def prepare_volumes(
    scans: Sequence[ScanFiles],
    out: Path,
    manifest: DatasetManifest,
    options: VolumeOptions,
    *,
    progress: ReportProgress = silent,
) -> Prepared:
    """Read every scan and write the data set ``out``; one scan is in memory at a time.

    Args:
        manifest: names, source and licence; the rest is filled in.

    Raises:
        DatasetError: no scans, two of one name, names that tell no patient, or fewer than two patients.
        ImageError, MaskError: a file that cannot be used, named.
        WorkspaceError: ``out`` holds something already, or cannot be written.
    """
    check_empty(out)
    names = _names(scans)
    whose = {scan.name: options.patients.read(scan.name, scan.patient) for scan in scans}
    if options.split is not None:
        options.patients.check(whose[scan.name] for scan in scans if scan.reference is not None)
    ignored: set[str] = set()
    with writing_dataset(out, replace(manifest, pattern=SCAN_PATTERN), options.split) as draft:
        draft.renamed |= names
        for done, scan in enumerate(scans):
            progress(done, len(scans), scan.name)
            volume, labels, left_out = read_scan(scan, options)
            ignored |= left_out
            told = whose[scan.name]
            stems = add_volume(draft, names[scan.name], told.patient if told.parsed else None, volume, labels)
            draft.valid |= stems if scan.name in options.valid else set()
        _note_ignored(draft, ignored)
        progress(len(scans), len(scans), "hashing")
    return draft.result


def read_scan(scan: ScanFiles, options: VolumeOptions) -> tuple[Volume, LabelVolume | None, frozenset[str]]:
    """A scan's picture, its reference in our classes where there is one, and the labels that count as background.

    Raises:
        ImageError, DatasetError: the picture cannot be read.
        MaskError: the reference cannot be read, lies elsewhere, or holds labels without a class.
    """
    volume = read_image_volume(scan.image)
    if scan.reference is None:
        return volume, None, frozenset()
    labels = read_label_volume(scan.reference, volume, options.labels)
    value = f"{scan.image} and {scan.reference}"
    shapes = volume.pixels.shape, labels.shape
    check_same_place(volume.grid, shapes[0], labels.grid, shapes[1], value=value, names=("image", "reference"))
    found, ignored = options.labels.apply(labels.labels, scan.reference, labels.names or options.label_names)
    return volume, replace(labels, labels=found), ignored


def _names(scans: Sequence[ScanFiles]) -> dict[str, str]:
    """What each scan is called in the data set, by its name in the source."""
    if not scans:
        raise DatasetError("There are no scans", todo="check the folder or the table")
    taken: dict[str, str] = {}
    for scan in scans:
        before = taken.setdefault(clean_name(scan.name).casefold(), scan.name)
        if before != scan.name or sum(each.name == scan.name for each in scans) > 1:
            value = scan.name if before == scan.name else f"{before} and {scan.name}"
            raise DatasetError("Two scans have one name, as names of files go", value=value, todo="rename one of them")
    return {scan.name: clean_name(scan.name) for scan in scans}


def _note_ignored(draft: Draft, ignored: set[str]) -> None:
    if ignored:
        note = f"Labels without a class of ours are background: {listed(sorted(ignored))}."
        draft.manifest = replace(draft.manifest, notes=(*draft.manifest.notes, note))
