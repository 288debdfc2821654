"""Volumes as every reader gives them and every writer takes them: voxels, where they lie, and what people should know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from core.data.grid import Axes, Grid
from core.data.images import Pixels


@dataclass(frozen=True)
class GreyScale:
    """The linear map from stored pixels to the file's own values: value = ``slope`` · pixel + ``intercept``."""

    slope: float = 1.0
    intercept: float = 0.0
    padding: int = 0
    """Voxels that were padding; they have the pixel of the darkest others."""
    non_finite: int = 0
    """Voxels that were not a number or infinite; likewise."""
    clipped: int = 0
    """Voxels far outside the others, which have the brightest or darkest pixel."""


@dataclass(frozen=True)
class DicomSource:
    """Which DICOM series a volume came from: identifiers only, which `export` refers to."""

    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    sop_class_uid: str
    instance_uids: tuple[str, ...]
    """SOP instance of each slice, in the order of the volume's slices; one for all of an enhanced file's frames."""
    frame_numbers: tuple[int, ...] = ()
    """Frame (from 1) of each slice in its instance; empty where each instance holds one."""
    modality: str = ""


@dataclass(frozen=True)
class Volume:
    """A scan's picture."""

    pixels: Pixels
    """(Z, H, W), uint8 or uint16."""
    grid: Grid
    grey: GreyScale = field(default_factory=GreyScale)
    notes: tuple[str, ...] = ()
    """What people should know of how it was read."""
    dicom: DicomSource | None = None
    numbers: tuple[int, ...] = ()
    """Of the slices, from 1, where some are missing between them; the grid then counts number - 1. Empty where none are."""
    axes: Axes = ()
    """How the file's own axes lie in this volume, see `core.data.grid.axes_of`; empty where it has them in the same order."""


@dataclass(frozen=True)
class LabelVolume:
    """A label map as a file holds it, or in our classes once a `LabelTable` was applied."""

    labels: NDArray[Any]
    """(Z, H, W), uint8 or uint16."""
    grid: Grid
    names: Mapping[int, str] = field(default_factory=dict)
    """What the file calls its labels, where it says."""
    notes: tuple[str, ...] = ()
    contested_pixels: int = 0
    """Voxels that more than one structure of the file claimed; the smaller got them."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.labels.shape
