"""`prepare nifti DIR`: ``images/`` and ``labels/`` or ``masks/`` of NIfTI files of the same names, one a scan."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.data.identity import listed, natural_key
from core.data.manifest import DatasetManifest
from core.data.prepare.volumes import ScanFiles, VolumeOptions, prepare_volumes
from core.data.prepare.writer import Prepared
from core.data.readers.nifti import is_nifti, stem_of
from core.errors import DatasetError

CHANNEL = re.compile(r"(?P<scan>.+)_(?P<channel>\d{4})")
"""nnU-Net's image names."""


def prepare_nifti(
    source: Path, out: Path, options: VolumeOptions, *, name: str | None = None, progress: ReportProgress = silent
) -> Prepared:
    """Make the data set ``out`` of a folder; images without a label file have no reference.

    Raises:
        DatasetError: no images, labels without an image, or see `prepare_volumes`, also for what else it raises.
    """
    labels = next((source / kind for kind in ("labels", "masks") if (source / kind).is_dir()), None)
    references = nifti_files(labels) if labels else {}
    images, notes = channel_files(nifti_files(source / "images"), references, channel=0)
    scans = match(images, references, source)
    manifest = DatasetManifest(name or out.resolve().name, f"NIfTI {source.name}", notes=notes)
    return prepare_volumes(scans, out, manifest, options, progress=progress)


def nifti_files(folder: Path) -> dict[str, Path]:
    """The NIfTI files of a folder by name without ending (NFC); hidden ones are left out.

    Raises:
        DatasetError: the folder is missing or holds none, or two have one name.
    """
    if not folder.is_dir():
        todo = "give a folder with images/ and labels/ (or masks/)"
        raise DatasetError("A folder is missing", value=folder, todo=todo)
    files: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if is_nifti(path) and path.name[0] != "."):
        stem = unicodedata.normalize("NFC", stem_of(path))
        if stem in files:
            value = f"{files[stem].name}, {path.name} in {folder}"
            raise DatasetError("Two files have one name", value=value, todo="remove one of them")
        files[stem] = path
    if not files:
        raise DatasetError("The folder holds no NIfTI files", value=folder, todo="put .nii.gz or .nii files there")
    return files


def channel_files(
    files: dict[str, Path], references: Collection[str], *, channel: int
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """One channel's files by scan, and what there is to say: nnU-Net names channel 0 of ``NAME`` ``NAME_0000``.

    A name that a reference has, or that has no channel 0 beside it, is a scan's own.

    Raises:
        DatasetError: scans lack the channel.
    """
    own: dict[str, Path] = {}
    channels: dict[str, dict[int, Path]] = {}
    for stem, path in files.items():
        found = CHANNEL.fullmatch(stem)
        if found is None or stem in references or (f"{found['scan']}_0000" not in files and found["scan"] not in references):
            own[stem] = path
        else:
            channels.setdefault(found["scan"], {})[int(found["channel"])] = path
    lacking = sorted((scan for scan, paths in channels.items() if channel not in paths), key=natural_key)
    if lacking:
        what = f"{len(lacking)} scans have no channel {channel}"
        raise DatasetError(what, value=listed(lacking), todo="choose another --channel, or add the files")
    numbers = sorted({number for paths in channels.values() for number in paths})
    note = f"Scans have {len(numbers)} channels; this is channel {channel}."
    return own | {scan: paths[channel] for scan, paths in channels.items()}, (note,) if len(numbers) > 1 else ()


def match(images: dict[str, Path], references: dict[str, Path], source: Path) -> list[ScanFiles]:
    """The scans by name, each with its reference where there is one.

    Raises:
        DatasetError: references without an image.
    """
    lonely = sorted(references.keys() - images.keys(), key=natural_key)
    if lonely:
        todo = "add the images, under the same names, or remove these"
        raise DatasetError(f"{len(lonely)} label files in {source} have no image", value=listed(lonely), todo=todo)
    return [ScanFiles(name, images[name], references.get(name)) for name in sorted(images, key=natural_key)]
