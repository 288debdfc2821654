"""The cache: a data set's slices as the network's squares of one grey byte a pixel, built once and mapped into memory.

``DATASET/.cache/S/`` (S: side in pixels; ``S-scan`` where the recipe windows 8-bit pictures by scan) holds ``images.npy`` and
``masks.npy``, (N, S, S) uint8, and ``index.json``: which rows are which files, and the hashes that say whether all of it still
holds.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cli.progress import ReportProgress, silent
from core.config import InputWindow
from core.data.index import SPLITS, DatasetIndex
from core.data.manifest import FILE_NAME
from core.data.scan import Scan, SliceFile
from core.errors import WorkspaceError
from core.storage.files import check_free_space, new_folder, read_json, sha256_of, write_json
from training.data.dataset import FilePlanes, Plane, scan_windows

CACHE_FORMAT = "gutcheck-cache/1"
FOLDER = ".cache"
ARRAYS = ("images", "masks")


@dataclass(frozen=True)
class SourceFile:
    """One source file as it was when the cache was built."""

    path: str
    """Below the data set's folder, with forward slashes."""
    bytes: int
    modified_ns: int
    sha256: str


class CachedPlanes:
    """Some slices out of the cache; its arrays are mapped read-only and shared by all processes of the machine."""

    def __init__(self, folder: Path, rows: NDArray[np.intp]) -> None:
        """
        Raises:
            ValueError, OSError: the arrays are missing or damaged.
        """
        self.folder, self.rows = folder, rows
        self.images, self.masks = (_mapped(folder / f"{name}.npy") for name in ARRAYS)

    def __reduce__(self) -> tuple[Any, ...]:
        # A started (not forked) loader process maps the files again; the arrays would be copied otherwise.
        return CachedPlanes, (self.folder, self.rows)

    def image(self, index: int) -> Plane:
        """One slice, (S, S) uint8, a copy."""
        return np.array(self.images[self.rows[index]])

    def mask(self, index: int) -> Plane:
        """Its label map, (S, S) uint8, a copy."""
        return np.array(self.masks[self.rows[index]])


class Cache:
    """An opened cache."""

    def __init__(self, folder: Path, index: DatasetIndex) -> None:
        """
        Raises:
            ValueError, OSError, KeyError, TypeError: it is missing, damaged, or of other slices.
        """
        content = read_json(folder / "index.json")
        wanted = [source_path(index, path) for each in slices_of(index) for path in (each.image, each.reference())]
        if content["format"] != CACHE_FORMAT or [source["path"] for source in content["sources"]] != wanted:
            raise ValueError("other slices")
        self.folder, self.index, self.content = folder, index, content
        if any(len(_mapped(folder / f"{name}.npy")) != len(wanted) // 2 for name in ARRAYS):
            raise ValueError("arrays of another length")

    def planes(self, slices: Sequence[SliceFile]) -> CachedPlanes:
        """The rows of these slices, in their order."""
        row_of = {source["path"]: row // 2 for row, source in enumerate(self.content["sources"])}
        rows = np.asarray([row_of[source_path(self.index, each.image)] for each in slices], np.intp)
        return CachedPlanes(self.folder, rows)

    def check(self, *, progress: ReportProgress = silent) -> None:
        """Compare with the source files and with the cache's own hashes.

        A source file of the same size and time is taken as unchanged; any other is hashed.

        Raises:
            ValueError, OSError, KeyError, TypeError: the cache does not hold what the source files would give.
        """
        if self.content["manifest"] != _manifest_hash(self.index):
            raise ValueError("another dataset.json")
        sources = [SourceFile(**source) for source in self.content["sources"]]
        for done, source in enumerate(sources):
            progress(done, len(sources), source.path)
            path = self.index.root / source.path
            found = path.stat()
            unchanged = (found.st_size, found.st_mtime_ns) == (source.bytes, source.modified_ns)
            if not unchanged and sha256_of(path) != source.sha256:
                raise ValueError(f"{source.path} has changed")
        for name in ARRAYS:
            if sha256_of(self.folder / f"{name}.npy") != self.content["arrays"][name]:
                raise ValueError(f"{name}.npy is damaged")
        progress(len(sources), len(sources), "checked")


def cache_folder(index: DatasetIndex, side: int, window: InputWindow = "none") -> Path:
    """Where the cache of a data set lies; for a folder that cannot be written, under the user's own cache folder."""
    name = str(side) if window == "none" else f"{side}-{window}"
    if os.access(index.root, os.W_OK):
        return index.root / FOLDER / name
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return own / "gutcheck" / hashlib.sha256(str(index.root.resolve()).encode()).hexdigest()[:16] / name


def open_cache(
    index: DatasetIndex, side: int, window: InputWindow = "none", *, check: bool = True, progress: ReportProgress = silent
) -> Cache | None:
    """The cache of a data set; nothing where there is none, or one that no longer holds.

    Args:
        window: the recipe's.
        check: compare hashes and source files; pass False where this has been done in this run.
    """
    try:
        cache = Cache(cache_folder(index, side, window), index)
        if check:
            cache.check(progress=progress)
    except (WorkspaceError, ValueError, OSError, KeyError, TypeError):
        return None
    return cache


def build_cache(
    index: DatasetIndex, side: int, window: InputWindow = "none", *, workers: int = 1, progress: ReportProgress = silent
) -> Cache:
    """Read every slice of the data set and write its cache, whole, in place of an earlier one.

    Args:
        window: the recipe's.
        workers: threads that decode pictures.

    Raises:
        ImageError, MaskError, DatasetError: a slice cannot be read.
        WorkspaceError: the disk is too full or refuses.
    """
    slices, folder = slices_of(index), cache_folder(index, side, window)
    check_free_space(folder, 2 * len(slices) * side * side, todo="free some space, or use --cache=false")
    try:
        with new_folder(folder, replace=True) as partial:
            images, masks = (_new_array(partial / f"{name}.npy", (len(slices), side, side)) for name in ARRAYS)
            with ThreadPoolExecutor(max(workers, 1)) as pool:
                for row, (image, mask) in enumerate(_in_order(pool, index, side, window)):
                    progress(row, len(slices), slices[row].name.stem)
                    images[row], masks[row] = image, mask
                images.flush(), masks.flush()
                write_json(partial / "index.json", _description(index, slices, partial, pool))
    except WorkspaceError:
        # Another process may have built the same one at the same time.
        if open_cache(index, side, window) is None:
            raise
    progress(len(slices), len(slices), "written")
    return Cache(folder, index)


def _in_order(pool: ThreadPoolExecutor, index: DatasetIndex, side: int, window: InputWindow) -> Iterator[tuple[Plane, Plane]]:
    # By scan, since the pool would otherwise read all slices ahead of the writing; and since a scan that is split over
    # training and validation has a window on each side.
    for scan in _scans(index):
        planes = FilePlanes(scan.slices, scan_windows([scan], window), side)
        yield from pool.map(partial(_pair, planes), range(len(scan.slices)))


def _pair(planes: FilePlanes, row: int) -> tuple[Plane, Plane]:
    return planes.image(row), planes.mask(row)


def _description(index: DatasetIndex, slices: Sequence[SliceFile], folder: Path, pool: ThreadPoolExecutor) -> dict[str, Any]:
    files = [path for each in slices for path in (each.image, each.mask)]
    sources = pool.map(lambda path: asdict(_source(index, path)), files)
    return {
        "format": CACHE_FORMAT,
        "manifest": _manifest_hash(index),
        "arrays": {name: sha256_of(folder / f"{name}.npy") for name in ARRAYS},
        "sources": list(sources),
    }


def _source(index: DatasetIndex, path: Path) -> SourceFile:
    found = path.stat()
    return SourceFile(source_path(index, path), found.st_size, found.st_mtime_ns, sha256_of(path))


def _manifest_hash(index: DatasetIndex) -> str:
    path = index.root / FILE_NAME
    return sha256_of(path) if path.exists() else ""


def source_path(index: DatasetIndex, path: Path) -> str:
    """A file's path below the data set's folder, with forward slashes."""
    return path.relative_to(index.root).as_posix()


def _scans(index: DatasetIndex) -> list[Scan]:
    return [scan for split in SPLITS for scan in index.splits.get(split, ())]


def slices_of(index: DatasetIndex) -> list[SliceFile]:
    """All slices of a data set in the order of the cache's rows."""
    return [each for scan in _scans(index) for each in scan.slices]


def _new_array(path: Path, shape: tuple[int, int, int]) -> Any:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


def _mapped(path: Path) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.uint8 or array.ndim != 3:
        raise ValueError(f"{path.name} is of another shape")
    return array
