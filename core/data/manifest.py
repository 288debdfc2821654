"""``dataset.json``: what a data set is, where it came from, its geometry, and a hash of every file."""

import math
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.data.grid import Affine, Grid
from core.data.identity import UW_MADISON_PATTERN, check_pattern
from core.data.volume import DicomSource, GreyScale
from core.errors import DatasetError, WorkspaceError
from core.labels import class_table
from core.storage.files import read_json, sha256_of

DATASET_FORMAT = "gutcheck-dataset/1"
FILE_NAME = "dataset.json"


@dataclass(frozen=True)
class ScanInfo:
    """Geometry of one scan."""

    spacing_mm: tuple[float, float, float] | None = None
    """Distance of voxel centres (z, y, x) at native size; nothing means unknown."""
    native_size: tuple[int, int] | None = None
    """(height, width) before the images were resized; nothing means as stored."""
    contested_pixels: int = 0
    """Pixels that more than one organ claimed in the source; the smaller organ got them."""
    affine: Affine | None = None
    """Where the native voxels lie, see `core.data.grid.Affine`; nothing where no file says."""
    geometry: str = ""
    """What spacing and affine rest on, in words."""
    grey: GreyScale | None = None
    """How stored pixels map to the source's values; nothing where they are the source's own."""
    dicom: DicomSource | None = None
    """The DICOM series that the scan came from."""
    notes: tuple[str, ...] = ()
    """What people should know of how the scan was read."""
    patient: str = ""
    """Whose it is, where that is stated; by default its slices' names tell."""

    @property
    def grid(self) -> Grid:
        """Where the native voxels lie."""
        return Grid(self.affine, self.spacing_mm, self.geometry)

    def to_json(self) -> dict[str, Any]:
        """What ``dataset.json`` holds of the scan; what only newer files hold is left out where there is none."""
        content = {key: value for key, value in asdict(self).items() if value or key in OLDEST}
        if self.affine is not None:
            content |= {"orientation": self.grid.orientation, "sheared": self.grid.sheared}
        return content


OLDEST = ("spacing_mm", "native_size", "contested_pixels")
"""What every ``dataset.json`` states of a scan."""


@dataclass(frozen=True)
class DatasetManifest:
    """The content of ``dataset.json``; the defaults describe a data set that has none."""

    name: str
    source: str = "unknown"
    licence: str = "unknown"
    synthetic: bool = False
    """True for phantoms: no patient's data."""
    pattern: str = UW_MADISON_PATTERN
    """Regular expression that reads patient, scan, day and slice from a file's stem."""
    split: str = "as it came"
    """How training and validation were divided."""
    spacing_mm: tuple[float, float, float] | None = None
    """Default for scans that state none."""
    scans: dict[str, ScanInfo] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path below the data set's folder."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Which references a review replaced, by whom and when; empty for a data set that nobody corrected."""
    stated: bool = True
    """False where the folder has no ``dataset.json`` and these are defaults."""
    notes: tuple[str, ...] = ()
    """Sentences on how the data set was made that people should know."""

    @property
    def contested_pixels(self) -> int:
        """Pixels claimed by more than one organ, over all scans."""
        return sum(scan.contested_pixels for scan in self.scans.values())

    def scan_info(self, scan: str) -> ScanInfo:
        """Geometry of a scan, with the data set's default spacing where the scan states none."""
        info = self.scans.get(scan, ScanInfo())
        return info if info.spacing_mm else replace(info, spacing_mm=self.spacing_mm)

    def to_json(self) -> dict[str, Any]:
        """What is written to ``dataset.json``."""
        content = asdict(self) | {"scans": {name: info.to_json() for name, info in self.scans.items()}}
        del content["stated"]
        for key in ("provenance", "notes"):
            if not content[key]:
                del content[key]
        return {"format": DATASET_FORMAT, "classes": class_table(), "contested_pixels": self.contested_pixels} | content


def read_manifest(root: Path) -> DatasetManifest:
    """Read ``ROOT/dataset.json``; without one, the defaults under the folder's name.

    Raises:
        DatasetError: the file is not JSON, of another format, or lacks something.
    """
    path = root / FILE_NAME
    if not path.exists():
        return DatasetManifest(name=root.resolve().name, stated=False)
    try:
        content = read_json(path)
        return _from_json(content)
    except WorkspaceError as error:
        raise DatasetError("dataset.json cannot be read", value=path, todo="prepare the data set again") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"dataset.json is not as expected ({error})", value=path, todo="prepare it again") from error


def _from_json(content: dict[str, Any]) -> DatasetManifest:
    if content["format"] != DATASET_FORMAT:
        raise ValueError(f"format {content['format']}")
    if content["classes"] != class_table():
        raise ValueError("another class table")
    return DatasetManifest(
        name=str(content["name"]),
        source=str(content["source"]),
        licence=str(content["licence"]),
        synthetic=bool(content["synthetic"]),
        pattern=check_pattern(content["pattern"]),
        split=str(content["split"]),
        spacing_mm=_spacing(content["spacing_mm"]),
        scans={name: _scan_info(scan) for name, scan in content["scans"].items()},
        files=dict(content["files"]),
        provenance=dict(content.get("provenance", {})),
        notes=tuple(str(note) for note in content.get("notes", ())),
    )


def _scan_info(content: dict[str, Any]) -> ScanInfo:
    size = content["native_size"]
    affine, grey, dicom = (content.get(key) for key in ("affine", "grey", "dicom"))
    return ScanInfo(
        _spacing(content["spacing_mm"]),
        (size[0], size[1]) if size else None,
        int(content["contested_pixels"]),
        Grid.of(np.array(affine, np.float64).reshape(4, 4)).affine if affine else None,
        str(content.get("geometry", "")),
        GreyScale(**grey) if grey else None,
        _dicom(dicom) if dicom else None,
        tuple(str(note) for note in content.get("notes", ())),
        str(content.get("patient", "")),
    )


def _dicom(content: dict[str, Any]) -> DicomSource:
    lists = {key: tuple(content[key]) for key in ("instance_uids", "frame_numbers")}
    return DicomSource(**content | lists)


def _spacing(values: list[float] | None) -> tuple[float, float, float] | None:
    if values is None:
        return None
    z, y, x = (float(value) for value in values)
    if not all(math.isfinite(step) and step > 0 for step in (z, y, x)):
        raise ValueError(f"spacing_mm {values} is not positive")
    return z, y, x


def hash_files(root: Path) -> dict[str, str]:
    """SHA-256 of every picture below ``root``, by its path with forward slashes; hidden folders, as the cache's, are left out."""
    files: list[Path] = []
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if not name.startswith(".")]
        files += (Path(folder) / name for name in names if name != FILE_NAME)
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in sorted(files)}
