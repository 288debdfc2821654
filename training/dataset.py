"""Slices as tensors: read, windowed by their scan, resized, augmented, normalised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from core.config import DatasetConfig
from core.data.images import FULL_8BIT, Window, decode_grey, model_window
from core.data.index import Scan, SliceFile
from core.errors import GutCheckError
from core.progress import Progress, silent

Item = dict[str, Tensor]


@dataclass
class Unreadable:
    """Stands in a batch for a slice that could not be read.

    A loader process cannot raise across to the training process without losing the error's sentence (torch raises a
    RuntimeError with a printed traceback instead), so the sentence's parts travel as data.
    """

    what: str
    value: str
    todo: str


class MedicalDataset(Dataset[Item | Unreadable]):
    """The slices of a split.

    Each item holds ``image``, float32 (3, S, S), three equal channels normalised by the recipe, and ``mask``, int64
    (S, S) with values 0 to 3, where S is ``recipe.image_size``; or is `Unreadable`. The steps before the normalisation
    are those of `core.predict.Predictor`.
    """

    def __init__(
        self,
        *,
        slices: Sequence[SliceFile],
        windows: Mapping[str, Window],
        recipe: DatasetConfig,
        transform: Any = None,
    ) -> None:
        """
        Args:
            slices: the slices, in the order of the items.
            windows: grey window by scan; a scan that is not in it is taken as 8-bit.
            transform: takes ``image`` and ``mask``, (S, S) uint8, and gives them changed, as albumentations does.
        """
        self.slices, self.windows, self.recipe, self.transform = tuple(slices), dict(windows), recipe, transform
        self._mean = torch.tensor(recipe.mean).view(3, 1, 1)
        self._std = torch.tensor(recipe.std).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> Item | Unreadable:
        try:
            image, mask = self.read(index)
        except GutCheckError as error:
            return Unreadable(error.what, str(error.value), error.todo)
        if self.transform is not None:
            changed = self.transform(image=image, mask=mask)
            image, mask = changed["image"], changed["mask"]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).float().div(255)
        return {
            "image": (pixels - self._mean) / self._std,
            "mask": torch.from_numpy(np.ascontiguousarray(mask)).long(),
        }

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image and label map of a slice, (S, S) uint8 each, before augmentation.

        Raises:
            ImageError, MaskError: the slice cannot be read.
        """
        each = self.slices[index]
        image, mask = each.read()
        window = self.windows.get(each.name.scan, FULL_8BIT)
        side = (self.recipe.image_size, self.recipe.image_size)
        return (
            cv2.resize(window.apply(image), side, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False),
            cv2.resize(mask, side, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8, copy=False),
        )


def collate(items: list[Item | Unreadable]) -> Any:
    """A batch of tensors, or the first `Unreadable` among the items."""
    for item in items:
        if isinstance(item, Unreadable):
            return item
    return default_collate(items)


def scan_windows(scans: Sequence[Scan], *, progress: Progress = silent) -> dict[str, Window]:
    """The window under which the network sees each scan; whole volumes are read only where pictures are deeper than 8 bits.

    Raises:
        ImageError, DatasetError: a scan cannot be read.
    """
    windows: dict[str, Window] = {}
    for done, scan in enumerate(scans):
        progress(done, len(scans), scan.id)
        deep = decode_grey(scan.slices[0].image).dtype != np.uint8
        windows[scan.id] = model_window(scan.read_image(check=False)) if deep else FULL_8BIT
    progress(len(scans), len(scans), "done")
    return windows
