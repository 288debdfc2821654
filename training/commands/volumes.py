"""Outlining the organs in volumes: a label map for each, on the very grid of the file or series that it came from."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from core.cli.progress import ReportProgress, silent
from core.data.volume import Volume
from core.data.writers.nifti import label_bytes
from core.imaging.overlay import class_statistics
from core.storage.files import sha256_of_array
from core.storage.partial import PartialOutput
from training.commands.inputs import VolumeInput

if TYPE_CHECKING:
    from core.model.predictor import Predictor


def predict_volumes(
    volumes: Sequence[VolumeInput], predictor: "Predictor", kept: PartialOutput, *, progress: ReportProgress = silent
) -> Iterator[dict[str, Any]]:
    """Write ``NAME.nii.gz`` (class ids, voxel by voxel on the input's own grid) for each volume.

    One volume is in memory at a time, and has one window. What is done already, from the very same voxels in the same place, is
    left as it is.

    Yields:
        The file's name, how the volume was read, and voxels and millilitres per class, for each volume.
    """
    for each in volumes:
        volume = each.read()
        digest = f"{sha256_of_array(volume.pixels)} {volume.pixels.dtype} {volume.grid} {volume.axes} {volume.numbers}"
        facts = kept.get(each.name, digest)
        if facts is None:
            labels = predictor.predict_scan(volume.pixels, numbers=volume.numbers or None, progress=progress).labels
            mask = f"{each.name}.nii.gz"
            content = label_bytes(labels, volume.grid, axes=volume.axes, numbers=volume.numbers)
            (kept.folder / mask).write_bytes(content)
            facts = {"mask": mask} | _read_facts(volume) | {"classes": _statistics(labels, volume)}
            kept.put(each.name, digest, facts)
        yield {"input": each.shown} | ({"series": each.series_uid} if each.series_uid else {}) | facts


def _read_facts(volume: Volume) -> dict[str, Any]:
    grid = volume.grid
    return {
        "slices": len(volume.pixels),
        "spacing_mm": grid.spacing_mm and list(grid.spacing_mm),
        "orientation": grid.orientation,
        "partial": _is_partial(volume),
        "notes": list(volume.notes),
    }


def _is_partial(volume: Volume) -> bool:
    return len(volume.pixels) < 2 or any(after - before != 1 for before, after in pairwise(volume.numbers))


def _statistics(labels: Any, volume: Volume) -> list[dict[str, Any]]:
    ml = None if _is_partial(volume) else volume.grid.voxel_ml
    return [row | {"ml": None if ml is None else row["pixels"] * ml} for row in class_statistics(labels)]
