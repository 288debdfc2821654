"""Four panels a slice: image, reference, prediction, and the prediction laid over the image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from core.config import InputRecipe
from core.data.index import DatasetIndex
from core.data.masks import LabelMap
from core.errors import DatasetError, ModelError
from core.imaging.overlay import Rgb, blend, num_to_rgb
from core.labels import ORGANS
from core.storage.workspace import RunPaths
from training.data.dataset import MedicalDataset, Unreadable, collate, scan_windows
from training.model.module import MedicalSegmentationModel

PANELS = ("image", "reference", "prediction", "overlay")
GAP, HEAD, INK = 6, 22, (70, 70, 70)
SIDE = 288
"""Smallest side of a panel, in pixels."""


def load_best(source: Path, device: torch.device) -> MedicalSegmentationModel:
    """The model in a run's best checkpoint, or in a ``.ckpt`` file, for inference.

    Raises:
        ModelError: there is none, or it cannot be read without unpickling objects.
    """
    path = source if source.suffix == ".ckpt" else best_of(RunPaths(source))
    if not path.is_file():
        raise ModelError("The checkpoint does not exist", value=path, todo="check the path, or train first")
    try:
        model = MedicalSegmentationModel.load_from_checkpoint(path, map_location=device, weights_only=True)
    except Exception as error:  # torch and Lightning raise many kinds for a damaged or foreign file
        todo = "use a checkpoint that `python -m training fit` wrote"
        raise ModelError("The checkpoint cannot be loaded", value=path, todo=todo) from error
    return model.eval()  # type: ignore[no-any-return]


def best_of(paths: RunPaths) -> Path:
    """A run's best checkpoint.

    Raises:
        ModelError: the run has none.
    """
    found = sorted(paths.checkpoints.glob("epoch=*.ckpt"))
    if not found:
        todo = "train it for an epoch; a model without checkpoints can be shown by: python -m training predict"
        raise ModelError("The run has no checkpoint", value=paths.root, todo=todo)
    return found[-1]


def choose_slices(index: DatasetIndex, split: str, *, names: Sequence[str] = (), count: int = 4, seed: int = 42) -> list[str]:
    """The names given, or so many drawn at random, in the order of the index.

    Raises:
        DatasetError: the split has no slice of a name that was given.
    """
    known = [each.image.stem for scan in index.scans(split) for each in scan.slices]
    missing = sorted(set(names) - set(known))
    if missing:
        what = f"Split '{split}' has no such slice"
        raise DatasetError(what, value=", ".join(missing[:5]), todo=f"names look like {known[0]}")
    if names:
        return list(names)
    drawn = np.random.default_rng(seed).permutation(len(known))[:count]
    return [known[place] for place in sorted(drawn)]


@torch.inference_mode()
def inference_and_visualize(
    model: MedicalSegmentationModel,
    index: DatasetIndex,
    names: Sequence[str],
    *,
    split: str = "valid",
    opacity: float = 0.45,
    batch_size: int = 8,
) -> Rgb:
    """Predict slices and draw four panels for each, at the network's size.

    Returns:
        (H, W, 3) uint8, a row a slice.

    Raises:
        DatasetError, ImageError: a slice cannot be read.
    """
    stated: dict[str, Any] = dict(model.hparams["recipe"])
    recipe = InputRecipe(**stated | {key: tuple(stated[key]) for key in ("mean", "std")})
    wanted = set(names)
    scans = [scan for scan in index.scans(split) if any(each.image.stem in wanted for each in scan.slices)]
    slices = [each for scan in scans for each in scan.slices]
    dataset = MedicalDataset(slices=slices, windows=scan_windows(scans, recipe.window), recipe=recipe)
    places = {each.image.stem: place for place, each in enumerate(slices)}
    rows = []
    for start in range(0, len(names), batch_size):
        chunk = [places[name] for name in names[start : start + batch_size]]
        batch = collate([dataset[place] for place in chunk])
        if isinstance(batch, Unreadable):
            raise DatasetError(batch.what, value=batch.value, todo=batch.todo)
        predicted = model(batch["image"].to(model.device)).argmax(dim=1).to(torch.uint8).cpu().numpy()
        for place, label_map in zip(chunk, predicted, strict=True):
            image, mask = dataset.read(place)
            rows.append(_row(image[..., 1], mask, label_map, title=slices[place].image.stem, opacity=opacity))
    return np.concatenate([*rows, _legend(rows[0].shape[1])])


def panel_side(size: int) -> int:
    """Side of a panel in pixels: the network's, or as many times that as make it large enough to see."""
    return size * -(-SIDE // size)


def _row(image: NDArray[np.uint8], mask: LabelMap, predicted: LabelMap, *, title: str, opacity: float) -> Rgb:
    """(HEAD + S + GAP, 4 · (S + GAP), 3): a line of text above four panels."""
    side = panel_side(image.shape[0])
    drawn = [np.dstack([image] * 3), num_to_rgb(mask), num_to_rgb(predicted), blend(image, predicted, opacity=opacity)]
    row = np.full((HEAD + side + GAP, len(PANELS) * (side + GAP), 3), 255, np.uint8)
    for place, (panel, name) in enumerate(zip(drawn, PANELS, strict=True)):
        left = place * (side + GAP)
        row[HEAD : HEAD + side, left : left + side] = cv2.resize(panel, (side, side), interpolation=cv2.INTER_NEAREST)
        _write(row, f"{title}: {name}" if place == 0 else name, left)
    return row


def _legend(width: int) -> Rgb:
    strip = np.full((HEAD, width, 3), 255, np.uint8)
    for place, organ in enumerate(ORGANS):
        left = place * 140
        cv2.rectangle(strip, (left + 2, 6), (left + 14, 18), tuple(int(part) for part in organ.rgb), -1)
        _write(strip, organ.title, left + 18)
    return strip


def _write(canvas: Rgb, text: str, left: int) -> None:
    cv2.putText(canvas, text, (left + 2, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
