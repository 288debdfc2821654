"""What every `prepare` shares: slices go into a hidden folder, which becomes the data set only when all is written."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.config import SplitConfig
from core.data.identity import clean_name, is_clean, listed
from core.data.images import encode_png
from core.data.index import SPLITS, UNLABELLED, DatasetIndex, index_folder
from core.data.manifest import FILE_NAME, DatasetManifest, ScanInfo, hash_files
from core.data.split import describe_split, held_out
from core.data.volume import GreyScale, LabelVolume, Volume
from core.errors import DatasetError, MaskError
from core.storage.files import new_folder, write_json

NO_REFERENCE = "not divided: no scan has a reference"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made."""

    root: Path
    manifest: DatasetManifest
    patients: dict[str, int]
    """Patients by split; of scans without a reference too, where there are some."""
    slices: dict[str, int]
    """Slices by split."""


class DatasetWriter:
    """Collects slices under ``all/`` and deals them to the splits once all are known; those without a mask are a split."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.annotated: Counter[str] = Counter()
        self.patient_of: dict[str, str] = {}
        """By stem, of slices with a mask."""
        self.unlabelled: dict[str, str] = {}
        """By stem, of slices without one."""
        self._taken: set[str] = set()
        for kind in ("images", "masks"):
            (folder / "all" / kind).mkdir(parents=True)

    def add(self, stem: str, patient: str, *, image_png: bytes, mask_png: bytes | None, annotated: bool = False) -> None:
        """Write one slice's two files.

        Args:
            mask_png: ``None`` for a slice without a reference.
            annotated: whether the mask shows an organ.

        Raises:
            DatasetError: there is a slice of that name already; names that differ in case only are one file on some disks.
        """
        if stem.casefold() in self._taken:
            raise DatasetError("Two slices have one name", value=stem, todo="remove one of them")
        self._taken.add(stem.casefold())
        if mask_png is None:
            self.unlabelled[stem] = patient
            folder = self.folder / UNLABELLED / "images"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{stem}.png").write_bytes(image_png)
            return
        self.patient_of[stem] = patient
        self.annotated[patient] += annotated
        (self.folder / "all" / "images" / f"{stem}.png").write_bytes(image_png)
        (self.folder / "all" / "masks" / f"{stem}.png").write_bytes(mask_png)

    def deal(self, valid: frozenset[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Move each slice to its split, the stems in ``valid`` to validation; return patients and slices by split."""
        sides = {stem: "valid" if stem in valid else "train" for stem in self.patient_of}
        for split in SPLITS if sides else ():
            for kind in ("images", "masks"):
                (self.folder / split / kind).mkdir(parents=True)
        for stem, split in sides.items():
            for kind in ("images", "masks"):
                (self.folder / "all" / kind / f"{stem}.png").rename(self.folder / split / kind / f"{stem}.png")
        for folder in (*(self.folder / "all").iterdir(), self.folder / "all"):
            folder.rmdir()
        sides |= dict.fromkeys(self.unlabelled, UNLABELLED)
        patient_of = self.patient_of | self.unlabelled
        slices = Counter(sides.values())
        splits = [split for split in (*SPLITS, UNLABELLED) if slices[split]]
        patients = {split: {patient_of[stem] for stem, side in sides.items() if side == split} for split in splits}
        return {split: len(found) for split, found in patients.items()}, dict(slices)


@contextmanager
def writing_dataset(out: Path, manifest: DatasetManifest, split: SplitConfig | None) -> Iterator["Draft"]:
    """Fill a data set and divide it; nothing stays behind if the block raises.

    Args:
        split: how to divide it; ``None`` validates on the slices in `Draft.valid`, as the manifest's own ``split`` says.

    Raises:
        DatasetError: it cannot be divided so, see `core.data.split.held_out`.
        WorkspaceError: ``out`` holds something already, or cannot be written.
    """
    with new_folder(out) as folder:
        renamed = {} if is_clean(manifest.name) else {manifest.name: clean_name(manifest.name)}
        draft = Draft(DatasetWriter(folder), replace(manifest, name=clean_name(manifest.name)), out)
        yield draft
        valid, described = _divide(draft, split)
        patients, slices = draft.writer.deal(valid)
        scans = {**draft.manifest.scans, **draft.scans}
        made = replace(draft.manifest, split=described, scans=scans)
        index = index_folder(folder, made)
        index.check_names()
        changed = (*_renamed("data set", renamed), *_renamed("scan", draft.renamed))
        partial = tuple(partial_notes(index, annotated=draft.writer.annotated.total()))
        done = replace(made, notes=(*made.notes, *changed, *partial), files=hash_files(folder))
        write_json(folder / FILE_NAME, done.to_json())
        draft.result = Prepared(out, done, patients, slices)


def _divide(draft: "Draft", split: SplitConfig | None) -> tuple[frozenset[str], str]:
    """The stems to validate on, and in words how that was chosen; slices without a reference are left out."""
    writer = draft.writer
    if split is None:
        return frozenset(draft.valid), draft.manifest.split
    if not writer.patient_of and writer.unlabelled:
        return frozenset(), NO_REFERENCE
    return held_out(writer.patient_of, dict(writer.annotated), split), describe_split(split)


def _renamed(kind: str, names: Mapping[str, str]) -> Iterator[str]:
    changed = sorted((old, new) for old, new in names.items() if old != new)
    if changed:
        examples = listed([f"{old} is now {new}" for old, new in changed])
        names_of = f"Names of {len(changed)} {kind}s" if len(changed) > 1 else f"The {kind}'s name"
        yield f"{names_of} could not be a file's on every system: {examples}."


def partial_notes(index: DatasetIndex, *, annotated: int) -> Iterator[str]:
    """What people should know where scans are not whole.

    Args:
        annotated: slices that show an organ, of all that have a reference.
    """
    partial = index.partial_scans()
    if not partial:
        return
    scans = sum(len(found) for found in index.splits.values())
    yield f"{len(partial)} of {scans} scans are partial, single slices or with gaps: they have no volume and no distances."
    slices = sum(len(scan.slices) for split in SPLITS for scan in index.splits.get(split, ()))
    if annotated == slices > 0 and any(index.partial_scans(split) for split in SPLITS):
        yield "Every slice shows an organ: those without were probably left out, and what a model draws on them is not scored."


class Draft:
    """A data set while it is written; ``manifest`` may be replaced, and ``result`` stands after the block."""

    result: Prepared

    def __init__(self, writer: DatasetWriter, manifest: DatasetManifest, out: Path) -> None:
        self.writer, self.manifest, self.out = writer, manifest, out
        self.scans: dict[str, ScanInfo] = {}
        """What is known of each scan, by its id; goes into ``dataset.json`` before the manifest's own."""
        self.renamed: dict[str, str] = {}
        """What the data set calls scans, by the source's names for them; those that keep theirs may be in it too."""
        self.valid: set[str] = set()
        """Stems to validate on, where the split is kept."""


def add_volume(draft: Draft, scan: str, patient: str | None, volume: Volume, labels: LabelVolume | None) -> set[str]:
    """Write a scan as slices ``SCAN_slice_0001.png``, and what is known of it to `Draft.scans`; return its slices' names.

    Args:
        scan: its id, a name of a file as `core.data.identity.clean_name` gives it.
        patient: whose it is; ``None`` where nobody knows, so that its scores get the leak badge ``unknown``.
        labels: in our classes, voxel by voxel on the volume; ``None`` for a scan without a reference.

    Raises:
        MaskError: the labels have another size than the volume.
        DatasetError: there is a scan of that name already.
    """
    if labels is not None and labels.shape != volume.pixels.shape:
        sizes = " and ".join("×".join(map(str, shape)) for shape in (volume.pixels.shape, labels.shape))
        raise MaskError(f"Image and labels of a scan differ in size ({sizes})", value=scan, todo="export them on one grid")
    if scan in draft.scans:
        raise DatasetError("Two scans have one name", value=scan, todo="rename one of them")
    numbers = volume.numbers or range(1, len(volume.pixels) + 1)
    stems = [f"{scan}_slice_{number:04d}" for number in numbers]
    for position, (stem, plane) in enumerate(zip(stems, volume.pixels, strict=True)):
        mask = None if labels is None else labels.labels[position]
        draft.writer.add(
            stem,
            patient or scan,
            image_png=encode_png(plane),
            mask_png=None if mask is None else encode_png(mask),
            annotated=mask is not None and bool(mask.any()),
        )
    draft.scans[scan] = _known(patient, volume, labels)
    return set(stems)


def _known(patient: str | None, volume: Volume, labels: LabelVolume | None) -> ScanInfo:
    grid, stored = volume.grid, volume.grey
    return ScanInfo(
        spacing_mm=grid.spacing_mm,
        native_size=(volume.pixels.shape[1], volume.pixels.shape[2]),
        contested_pixels=labels.contested_pixels if labels else 0,
        affine=grid.affine,
        geometry=grid.origin,
        grey=None if stored == GreyScale() else stored,
        dicom=volume.dicom,
        notes=tuple(dict.fromkeys((*volume.notes, *(labels.notes if labels else ())))),
        patient=patient or "",
    )
