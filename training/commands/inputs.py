"""What ``predict`` is given: pictures, NIfTI volumes and DICOM series, from a file, a folder, a zip or a split of a data set."""

import hashlib
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.data.identity import UW_MADISON_PATTERN, parse_slice_name
from core.data.images import SUFFIXES
from core.data.index import load_index
from core.data.manifest import FILE_NAME, read_manifest
from core.data.readers import nifti
from core.data.readers.archive import unpack
from core.data.readers.dicom import read_series
from core.data.readers.dicom_series import SeriesFiles, look_through, nothing_found
from core.data.readers.kinds import below, check_segmentable, is_clutter, sort_files
from core.data.volume import Volume
from core.errors import DatasetError, ImageError

MAX_UNPACKED_BYTES = 20_000_000_000
MAX_SLICES = 10_000
"""Of one volume."""


@dataclass(frozen=True)
class PictureInput:
    """A picture, and which slice of which scan it is."""

    path: Path
    name: str
    """What its results are called."""
    shown: str
    """What messages call it."""
    scan: str
    number: int


@dataclass(frozen=True)
class VolumeInput:
    """A NIfTI file, or the files of a DICOM series."""

    source: Path | SeriesFiles
    name: str
    """What its results are called; of a series by its UID, never by what the files say of the patient."""
    shown: str

    def read(self) -> Volume:
        """The volume, once it is known that it can be segmented.

        Raises:
            ImageError, DatasetError: see `core.data.readers.nifti`, `core.data.readers.dicom` and `core.data.readers.kinds`.
        """
        read = read_series(self.source) if isinstance(self.source, SeriesFiles) else nifti.read_nifti_image(self.source)
        check_segmentable(read, self.shown, max_slices=MAX_SLICES)
        return read

    @property
    def series_uid(self) -> str:
        """Of a DICOM series, its UID; else empty."""
        return self.source.uid if isinstance(self.source, SeriesFiles) else ""


@dataclass(frozen=True)
class Inputs:
    """All that is to be outlined; no two have one name."""

    pictures: tuple[PictureInput, ...] = ()
    volumes: tuple[VolumeInput, ...] = ()
    note: str = ""
    """What was left out beside DICOM series."""


@contextmanager
def open_inputs(source: Path, split: str = "") -> Iterator[Inputs]:
    """Find what there is to outline; a zip is unpacked for as long as the block lasts.

    Args:
        source: a file, a folder (pictures and NIfTI files straight in it, DICOM files also below), a zip of these, or a data set.
        split: of the data set; empty for anything else.

    Raises:
        ImageError, DatasetError: nothing there, nothing that can be outlined, or two inputs whose results would have one name.
    """
    if split:
        yield _of_split(source, split)
    elif source.is_file() and zipfile.is_zipfile(source):
        with tempfile.TemporaryDirectory(prefix="gutcheck-zip-") as folder:
            _unpack(source, Path(folder))
            yield _found(below(Path(folder)), source, inside=Path(folder))
    else:
        yield _found(_files(source), source, inside=source if source.is_dir() else source.parent)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise ImageError("The picture, volume or folder does not exist", value=source, todo="check the path")
    straight = [path for path in source.iterdir() if path.is_file() and not is_clutter(path.name)]
    deeper = sort_files(path for path in below(source) if path.parent != source).dicom
    return [*straight, *deeper]


def _unpack(archive: Path, folder: Path) -> None:
    try:
        unpack(archive, folder, max_bytes=MAX_UNPACKED_BYTES)
    except DatasetError as error:
        todo = "unpack it, and give the folder" if "more than" in error.what else error.todo
        raise DatasetError(error.what, value=error.value, todo=todo) from error


def _found(files: Iterable[Path], source: Path, *, inside: Path) -> Inputs:
    """Inputs among files, those of other kinds left out.

    Args:
        inside: the folder that need not be named with each.
    """
    kinds = sort_files(files)
    if source in kinds.others:
        # Whatever is named itself is taken for a picture, so that the reader says what is wrong with it.
        return Inputs((_picture(source, source.name),))
    pattern = _pattern_of(source)
    pictures = tuple(_picture(path, str(path.relative_to(inside)), pattern) for path in kinds.pictures)
    volumes = [VolumeInput(path, _nfc(nifti.stem_of(path)), str(path.relative_to(inside))) for path in kinds.volumes]
    folder = look_through(kinds.dicom)
    if kinds.dicom and not folder.series and not pictures and not volumes:
        raise nothing_found(folder, kinds.dicom, source)
    volumes += [_series(series) for series in folder.series]
    if not pictures and not volumes:
        todo = f"give files ending in {', '.join((*SUFFIXES, *nifti.SUFFIXES))}, DICOM files, or a data set and --split"
        raise ImageError("There are no pictures and no volumes", value=source, todo=todo)
    _check_names((*pictures, *volumes))
    return Inputs(pictures, tuple(volumes), folder.note)


def _pattern_of(source: Path) -> str:
    """How pictures tell their scans: as the data set says whose split's ``images`` they are."""
    root = source.resolve().parent.parent
    return read_manifest(root).pattern if source.name == "images" and (root / FILE_NAME).is_file() else UW_MADISON_PATTERN


def _picture(path: Path, shown: str, pattern: str = UW_MADISON_PATTERN) -> PictureInput:
    name = _nfc(path.stem)
    parsed = parse_slice_name(name, pattern)
    return PictureInput(path, name, shown, parsed.scan, parsed.number)


def _series(series: SeriesFiles) -> VolumeInput:
    of = series.uid or "\n".join(path.name for path in series.paths)
    name = f"series_{hashlib.sha256(of.encode()).hexdigest()[:8]}"
    return VolumeInput(series, name, f"{name} ({len(series.paths)} DICOM files)")


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _check_names(inputs: Iterable[PictureInput | VolumeInput]) -> None:
    """Names that differ in case only are one file on some disks."""
    known: dict[str, str] = {}
    for each in inputs:
        other = known.setdefault(each.name.casefold(), each.shown)
        if other != each.shown:
            raise DatasetError("Two inputs have one name", value=f"{other}, {each.shown}", todo="rename one of them")


def _of_split(root: Path, split: str) -> Inputs:
    index = load_index(root)
    pattern = index.manifest.pattern
    slices = (each.image for scan in index.scans(split) for each in scan.slices)
    return Inputs(tuple(_picture(path, path.name, pattern) for path in slices))
