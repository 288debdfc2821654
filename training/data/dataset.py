"""Slices as tensors: read (from files or the cache), given their neighbours, augmented, normalised."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from core.cli.progress import ReportProgress, silent
from core.config import InputRecipe, InputWindow
from core.data.images import FULL_8BIT, Window, check_picture, decode_grey, model_window, read_image
from core.data.masks import read_mask
from core.data.scan import Scan, SliceFile
from core.errors import GutCheckError
from core.model.context import neighbours
from training.data.augmentation import seed_transform
from training.data.order import Draw

Item = dict[str, Tensor]
Plane = NDArray[np.uint8]


@dataclass
class Unreadable:
    """Stands in a batch for a slice that could not be read.

    A loader process cannot raise across to the training process without losing the error's sentence (torch raises a
    RuntimeError with a printed traceback instead), so the sentence's parts travel as data.
    """

    what: str
    value: str
    todo: str


class Planes(Protocol):
    """Where slices come from: (S, S) uint8 each, windowed and resized to the network's square."""

    def image(self, index: int) -> Plane: ...

    def mask(self, index: int) -> Plane: ...


class FilePlanes:
    """Reads, windows and resizes a slice's files each time.

    The steps are those of `core.model.predictor.Predictor`.
    """

    def __init__(self, slices: Sequence[SliceFile], windows: Mapping[str, Window], side: int) -> None:
        """
        Args:
            windows: grey window by scan; a scan that is not in it is taken as 8-bit.
        """
        self.slices, self.windows, self.side = tuple(slices), dict(windows), side

    def image(self, index: int) -> Plane:
        """One slice, (S, S).

        Raises:
            ImageError: it cannot be read.
        """
        each = self.slices[index]
        windowed = self.windows.get(each.name.scan, FULL_8BIT).apply(read_image(each.image))
        return self._resized(windowed, cv2.INTER_LINEAR)

    def mask(self, index: int) -> Plane:
        """Its label map, (S, S).

        Raises:
            ImageError, MaskError: it cannot be read, or has another size than its image.
        """
        each = self.slices[index]
        return self._resized(read_mask(each.reference(), shape=check_picture(each.image)), cv2.INTER_NEAREST_EXACT)

    def _resized(self, plane: Plane, how: int) -> Plane:
        resized: Plane = cv2.resize(plane, (self.side, self.side), interpolation=how)
        return resized


class MedicalDataset(Dataset[Item | Unreadable]):
    """The slices of a split.

    Each item holds ``image`` and ``mask``, or is `Unreadable`; S is ``recipe.image_size``. Read from files, ``image`` is
    float32 (3, S, S), normalised by the recipe, and ``mask`` is int64 (S, S) with values 0 to 3, as in the course. Read
    from a cache, they are uint8, (1 or 3, S, S) and (S, S), a thirteenth of the bytes, and `to_network` makes the same of
    them on the device.

    An item is a function of (seed, epoch, position): see `training.data.order`.
    """

    def __init__(
        self,
        *,
        slices: Sequence[SliceFile],
        recipe: InputRecipe,
        windows: Mapping[str, Window] | None = None,
        cached: Planes | None = None,
        transform: Any = None,
        seed: int = 0,
    ) -> None:
        """
        Args:
            slices: the slices, in the order of the items.
            windows: grey window by scan; a scan that is not in it is taken as 8-bit.
            cached: the same slices, read before.
            transform: takes ``image``, (S, S) or (S, S, 3) uint8, and ``mask``, (S, S) uint8, and gives them changed, as
                albumentations does; see `training.data.augmentation` and `training.data.fast_augmentation`.
            seed: of the augmentation.
        """
        self.slices, self.recipe, self.transform, self.seed = tuple(slices), recipe, transform, seed
        self.on_device = cached is not None
        self.planes: Planes = cached or FilePlanes(self.slices, windows or {}, recipe.image_size)
        self.channels = _channels(self.slices, recipe.context_stride) if recipe.context_stride else None
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose augmentation a plain index gets; a `Draw` brings its own."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, item: int | Draw) -> Item | Unreadable:
        draw = item if isinstance(item, Draw) else Draw(item, self.epoch, item)
        try:
            image, mask = self.read(draw.index)
        except GutCheckError as error:
            return Unreadable(error.what, str(error.value), error.todo)
        if self.transform is not None:
            seed_transform(self.transform, self.seed, draw.epoch, draw.position)
            changed = self.transform(image=image, mask=mask)
            image, mask = changed["image"], changed["mask"]
        pixels = torch.from_numpy(np.ascontiguousarray(image if image.ndim == 2 else image.transpose(2, 0, 1)))
        found = {"image": pixels if pixels.ndim == 3 else pixels[None], "mask": torch.from_numpy(np.ascontiguousarray(mask))}
        return found if self.on_device else to_network(found, self.recipe)

    def read(self, index: int) -> tuple[Plane, Plane]:
        """Image, (S, S) or (S, S, 3) uint8, and label map, (S, S) uint8, before augmentation.

        From files the image is always in three channels, as in the course.

        Raises:
            ImageError, MaskError: the slice, or a neighbour that it is shown with, cannot be read.
        """
        mask = self.planes.mask(index)
        if self.channels is not None:
            wanted = self.channels[index]
            planes = {int(each): self.planes.image(int(each)) for each in set(wanted.tolist())}
            return np.dstack([planes[int(each)] for each in wanted]), mask
        plane = self.planes.image(index)
        return plane if self.on_device else np.dstack([plane] * 3), mask


def _channels(slices: Sequence[SliceFile], stride: int) -> NDArray[np.intp]:
    """For each slice the indices of its three channels, (N, 3)."""
    scans: dict[str, list[int]] = defaultdict(list)
    for index, each in enumerate(slices):
        scans[each.name.scan].append(index)
    table = np.empty((len(slices), 3), np.intp)
    for members in scans.values():
        members.sort(key=lambda index: slices[index].name.number)
        order = np.asarray(members)
        table[order] = order[neighbours([slices[index].name.number for index in members], stride)]
    return table


def to_network(batch: Item, recipe: InputRecipe) -> Item:
    """What the network takes, on the device where the batch is: three channels normalised by the recipe, and an int64 mask.

    Args:
        batch: ``image`` (…, 1 or 3, S, S) uint8 and ``mask`` (…, S, S) uint8.
    """
    image = batch["image"]
    shape = (3, 1, 1)
    mean = torch.tensor(recipe.mean, device=image.device).view(shape)
    std = torch.tensor(recipe.std, device=image.device).view(shape)
    return batch | {"image": (image.float().div(255) - mean) / std, "mask": batch["mask"].long()}


def collate(items: list[Item | Unreadable]) -> Any:
    """A batch of tensors, or the first `Unreadable` among the items."""
    for item in items:
        if isinstance(item, Unreadable):
            return item
    return default_collate(items)


def scan_windows(scans: Sequence[Scan], kind: InputWindow = "none", *, progress: ReportProgress = silent) -> dict[str, Window]:
    """The window under which the network sees each scan; whole volumes are read only where it depends on them.

    Args:
        kind: the recipe's, see `core.data.images.model_window`.

    Raises:
        ImageError, DatasetError: a scan cannot be read.
    """
    windows: dict[str, Window] = {}
    for done, scan in enumerate(scans):
        progress(done, len(scans), scan.id)
        whole = kind != "none" or decode_grey(scan.slices[0].image).dtype != np.uint8
        windows[scan.id] = model_window(scan.read_image(check=False), kind) if whole else FULL_8BIT
    progress(len(scans), len(scans), "done")
    return windows
