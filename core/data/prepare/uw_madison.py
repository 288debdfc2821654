"""`prepare uw-madison`: the course's copy of the UW-Madison GI Tract set, fetched or from a local zip, split as it came."""

import re
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.config import ADDRESS_VARIABLE, ArchiveConfig
from core.data.identity import SLICE_SPACING_MM, clean_name, parse_slice_name
from core.data.images import check_picture
from core.data.index import SPLITS, index_folder, load_index, pair_files
from core.data.manifest import FILE_NAME, DatasetManifest, ScanInfo, hash_files
from core.data.prepare.mask_files import read_labels
from core.data.prepare.writer import Prepared, partial_notes
from core.data.readers.archive import unpack
from core.data.readers.download import fetch
from core.data.readers.label_files import LabelTable
from core.errors import ConfigError, DatasetError
from core.storage.files import new_folder, sha256_of, write_json

SHUFFLED = "as it came (slices shuffled inside each case)"
AS_IT_CAME = "as it came"
_GEOMETRY = re.compile(r".*_slice_\d+_(\d+)_(\d+)_(\d+\.\d+)_(\d+\.\d+)")
"""Width, height and spacing (y, x) where a name still ends as the competition's do."""


def prepare_uw_madison(
    out: Path,
    *,
    config: ArchiveConfig,
    name: str | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    labels: LabelTable | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Fetch the archive unless it is given, unpack and check it, and write the data set ``out`` in the split it came in.

    A data set that stands in ``out`` is kept as it is, and nothing is fetched. A download that was cut goes on.

    Args:
        spacing_mm: distance of voxel centres (z, y, x) of scans whose names do not tell.

    Raises:
        ConfigError: neither an address nor an archive is given.
        DatasetError, ImageError, MaskError: what was fetched or given is not the data set; named.
        WorkspaceError: ``out`` holds something else, or the disk is too full or refuses.
    """
    if (out / FILE_NAME).is_file():
        return describe(out)
    download = out.with_name(f".{out.name}.download")
    archive = obtain(config, download, progress)
    with new_folder(out) as folder, tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked-") as unpacked:
        unpack(archive, Path(unpacked), max_bytes=int(config.max_gb * 1e9), progress=progress)
        annotated = take_over(find_root(Path(unpacked)), folder, labels or LabelTable(), progress)
        manifest = DatasetManifest(
            name=clean_name(name or out.resolve().name),
            source="UW-Madison GI Tract Image Segmentation (Kaggle, 2022), the course's prepared copy",
            licence="CC BY-NC-SA 4.0",
            spacing_mm=spacing_mm,
        )
        index = index_folder(folder, _with_facts(folder, manifest))
        index.check_names()
        done = replace(index.manifest, notes=tuple(partial_notes(index, annotated=annotated)), files=hash_files(folder))
        write_json(folder / FILE_NAME, done.to_json())
    shutil.rmtree(download, ignore_errors=True)
    return describe(out)


def describe(root: Path) -> Prepared:
    """What stands in a data set's folder.

    Raises:
        DatasetError: it is not in order.
    """
    index = load_index(root)
    slices = {split: sum(len(scan.slices) for scan in scans) for split, scans in index.splits.items()}
    return Prepared(root, index.manifest, {split: len(index.patients(split)) for split in index.splits}, slices)


def obtain(config: ArchiveConfig, folder: Path, progress: ReportProgress) -> Path:
    """The zip: the one given, or fetched into ``folder``.

    Raises:
        ConfigError: there is no way to one.
        DatasetError: it cannot be had, or has another checksum.
    """
    if config.archive is not None:
        archive = Path(config.archive)
        if config.sha256 is not None and archive.is_file() and sha256_of(archive) != config.sha256.lower():
            raise DatasetError("The archive has another checksum", value=archive, todo="fetch it again, or correct --sha256")
        return archive
    if not config.address:
        todo = f"give --address (the course's Dropbox link), --archive with a zip that is here, or set {ADDRESS_VARIABLE}"
        raise ConfigError("There is no address to fetch the data set from", todo=todo)
    max_bytes = int(config.max_gb * 1e9)
    archive = fetch(config.address, folder / "archive.zip", sha256=config.sha256, max_bytes=max_bytes, progress=progress)
    if not zipfile.is_zipfile(archive):
        # A page about the file, as a rule. Kept, it would stand in the way of the next, right address.
        archive.unlink()
        todo = "give that of the zip itself; a Dropbox link has to end in dl=1"
        raise DatasetError("What came from the address is no zip", value=config.address, todo=todo)
    return archive


def find_root(unpacked: Path) -> Path:
    """The folder in what was unpacked that holds the two splits.

    Raises:
        DatasetError: there is none, or more than one.
    """
    folders = [unpacked, *(path for path in sorted(unpacked.rglob("*")) if path.is_dir())]
    # Macs put a shadow of every file into their zips.
    found = [f for f in folders if "__MACOSX" not in f.parts and all((f / split / "images").is_dir() for split in SPLITS)]
    if len(found) != 1:
        what = "The archive holds no data set" if not found else "The archive holds more than one data set"
        value = ", ".join(str(path.relative_to(unpacked)) for path in found) or None
        raise DatasetError(what, value=value, todo="use one with train and valid, each with images and masks")
    return found[0]


def take_over(source: Path, out: Path, labels: LabelTable, progress: ReportProgress) -> int:
    """Move the pairs of both splits to ``out``, masks as class ids in one channel; return how many slices show an organ.

    Raises:
        DatasetError: files that do not pair up.
        ImageError, MaskError: a file that cannot be used.
    """
    annotated = 0
    for split in SPLITS:
        pairs = pair_files(source / split / "images", source / split / "masks")
        for kind in ("images", "masks"):
            (out / split / kind).mkdir(parents=True)
        for done, (stem, image, mask) in enumerate(pairs):
            progress(done, len(pairs), f"checking {split}")
            label_map, content = read_labels(mask, check_picture(image), labels)
            annotated += bool(label_map.any())
            name = f"{clean_name(stem)}.png"
            (out / split / "masks" / name).write_bytes(content)
            image.rename(out / split / "images" / name)
    return annotated


def _with_facts(folder: Path, manifest: DatasetManifest) -> DatasetManifest:
    """Add what the file names tell: whether patients are on both sides, and each scan's geometry."""
    stems = {split: [path.stem for path in (folder / split / "images").iterdir()] for split in SPLITS}
    train, valid = ({parse_slice_name(stem).patient for stem in stems[split]} for split in SPLITS)
    scans = {}
    for stem in sorted(stem for found in stems.values() for stem in found):
        match = _GEOMETRY.fullmatch(stem)
        if match:
            width, height, y, x = match.groups()
            spacing_mm = (SLICE_SPACING_MM, float(y), float(x))
            scans[parse_slice_name(stem).scan] = ScanInfo(spacing_mm, (int(height), int(width)))
    return replace(manifest, scans=scans, split=SHUFFLED if train & valid else AS_IT_CAME)
