"""Outlining the organs in loose pictures: under which window, beside which neighbours, and the files that come of it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import InputWindow
from core.data.images import Pixels, Window, model_window, read_image, write_png
from core.imaging.overlay import blend, class_statistics
from core.model.context import neighbours
from core.storage.files import sha256_of_array
from core.storage.partial import PartialOutput
from training.commands.inputs import PictureInput

if TYPE_CHECKING:
    from core.model.predictor import Predictor


def _like(pixels: Pixels, found: Pixels) -> Pixels:
    """A neighbour; where it is of another size or depth, the slice beside it stands in."""
    return found if (found.shape, found.dtype) == (pixels.shape, pixels.dtype) else pixels


def scan_window(images: Sequence[Pixels], depth: np.dtype[Any], kind: InputWindow) -> Window:
    """The window of a scan's pictures of that depth, which may differ in size; see `core.data.images.model_window`."""
    return model_window(np.concatenate([image.ravel() for image in images if image.dtype == depth]), kind)


def predict_pictures(pictures: Sequence[PictureInput], predictor: "Predictor", kept: PartialOutput) -> Iterator[dict[str, Any]]:
    """Write ``NAME_mask.png`` (class ids, the picture's own size) and ``NAME_overlay.png`` for each picture.

    One scan, which pictures are by their names, is in memory at a time, and has one window. What is done already, from the very
    same pixels, is left as it is.

    Yields:
        Names of the files and pixels per class, for each picture.
    """
    recipe = predictor.recipe
    scans: dict[str, list[PictureInput]] = defaultdict(list)
    for each in pictures:
        scans[each.scan].append(each)
    for members in scans.values():
        members.sort(key=lambda each: each.number)
        images = [read_image(each.path) for each in members]
        windows = {depth: scan_window(images, depth, recipe.window) for depth in {image.dtype for image in images}}
        table = neighbours([each.number for each in members], recipe.context_stride)
        for each, pixels, (before, _, after) in zip(members, images, table, strict=True):
            window = windows[pixels.dtype]
            between = (_like(pixels, images[before]), _like(pixels, images[after])) if recipe.context_stride else None
            mask, overlay = f"{each.name}_mask.png", f"{each.name}_overlay.png"
            shown = " ".join(f"{sha256_of_array(one)} {one.dtype} {one.shape}" for one in (pixels, *(between or ())))
            facts = kept.get(each.name, f"{shown} {window}")
            if facts is None:
                label_map, _ = predictor.predict_slice(pixels, window, between=between)
                write_png(kept.folder / mask, label_map)
                write_png(kept.folder / overlay, blend(window.apply(pixels), label_map, opacity=predictor.config.opacity))
                facts = {"mask": mask, "overlay": overlay, "classes": class_statistics(label_map)}
                kept.put(each.name, f"{shown} {window}", facts)
            yield {"input": str(each.path)} | facts
