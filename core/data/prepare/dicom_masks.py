"""Segmentations and structure sets as the reference of the series that they were drawn on, in our classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.data.masks import LabelMap, merge_organs
from core.data.readers.label_files import LabelTable, folded
from core.data.readers.label_volumes import read_labels
from core.data.volume import LabelVolume, Volume
from core.errors import DatasetError, MaskError
from core.labels import CLASSES


def reference_of(volume: Volume, masks: Sequence[Path], table: LabelTable) -> LabelVolume | None:
    """The reference of a volume, voxel by voxel; ``None`` where no file holds one of our organs.

    Args:
        table: which structure is which organ; one that states nothing goes by their names.

    Raises:
        DatasetError: two files hold the same organ.
        MaskError: a file that cannot be read or lies elsewhere, or a series that says not where it lies.
    """
    found: dict[int, tuple[Path, LabelMap]] = {}
    notes: list[str] = []
    contested = others = 0
    for path in masks:
        labels = _on_voxels(volume, path)
        organs, ignored = _in_classes(labels, table, path)
        others += ignored
        if organs is None:
            continue
        present = [int(organ) for organ in np.unique(organs) if organ]
        for organ in present:
            if organ in found:
                what = f"Two files hold the {CLASSES[organ].title.lower()} of one series"
                raise DatasetError(what, value=f"{found[organ][0].name}, {path.name}", todo="remove one of them")
            found[organ] = path, organs
        contested, notes = contested + labels.contested_pixels, [*notes, *labels.notes]
    if not found:
        return None
    if others:
        what = "1 structure has" if others == 1 else f"{others} structures have"
        notes.append(f"{what} no name of an organ that is known here and counts as background; name it with --map.")
    merged, clashes = merge_organs({organ: organs == organ for organ, (_, organs) in found.items()})
    names = ", ".join(CLASSES[organ].title.lower() for organ in sorted(found))
    notes.append(f"The reference holds {names}.")
    return LabelVolume(merged, volume.grid, {}, tuple(notes), contested + clashes)


def _on_voxels(volume: Volume, path: Path) -> LabelVolume:
    """Labels on the voxels of a volume; where slices of it are missing, they are laid on the whole stack first."""
    if volume.grid.affine is None:
        what = "The series does not say where it lies, so nothing that was drawn on it can be placed"
        raise MaskError(what, value=path, todo="leave this file out, or export the series again")
    depth, height, width = volume.pixels.shape
    numbers = np.array(volume.numbers or range(1, depth + 1))
    shape = (int(numbers[-1]), height, width)
    grid = volume.grid
    labels = read_labels(path, grid, shape)
    return LabelVolume(labels.labels[numbers - 1], labels.grid, labels.names, labels.notes, labels.contested_pixels)


def _in_classes(labels: LabelVolume, table: LabelTable, path: Path) -> tuple[LabelMap | None, int]:
    """In our classes, and how many structures are none of our organs; ``None`` where all are.

    No name that stands in the file gets into a sentence.
    """
    names = _known(labels.names, table)
    present = {int(label) for label in np.unique(labels.labels)} - {0}
    if not names and not table.classes:
        return None, len(present)
    known = {label: names.get(label, f"structure {label}") for label in present}
    organs, ignored = table.apply(labels.labels, path.name, known)
    return (organs if organs.any() else None), len(ignored)


def _known(names: Mapping[int, str], table: LabelTable) -> dict[int, str]:
    return {label: name for label, name in names.items() if folded(name) in table.known_names}
