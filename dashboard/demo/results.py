"""From an upload to a segmentation, and what is shown of it: overlay, class statistics and texts; all HTML is escaped here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

from core.cli.progress import ReportProgress, silent
from core.config import InferenceConfig
from core.data.grid import Grid, Spacing
from core.data.images import model_window
from core.data.masks import LabelMap
from core.data.readers.uploads import NOWHERE, Upload, read_upload
from core.errors import GutCheckError
from core.imaging.overlay import Rgb, blend, class_statistics, num_to_rgb
from core.labels import CLASSES, ORGANS
from core.model.context import neighbours
from dashboard.demo.models import ModelChoice, Segmenter

OPACITY = InferenceConfig().opacity
ORGAN_IDS: tuple[int, ...] = tuple(organ.id for organ in ORGANS)


@dataclass(frozen=True)
class Segmentation:
    """A segmented upload, at the pictures' own size."""

    upload: Upload
    label_maps: tuple[LabelMap, ...]
    """(H, W) uint8 class ids each."""
    confidence: tuple[NDArray[np.uint8], ...]
    """(H, W) each: the probability of the chosen class, 255 for certainty."""
    model: ModelChoice
    remarks: tuple[str, ...] = ()
    """What to say of each slice's likeness to the training data; empty texts where it looks alike."""

    @cached_property
    def scan_statistics(self) -> list[dict[str, Any]]:
        """`core.imaging.overlay.class_statistics` over all slices."""
        return class_statistics(np.concatenate([label_map.ravel() for label_map in self.label_maps]))

    @property
    def nbytes(self) -> int:
        """Size in memory, its upload's included."""
        return self.upload.nbytes + sum(plane.nbytes for plane in (*self.label_maps, *self.confidence))


def segment_upload(upload: Upload, segmenter: Segmenter, *, progress: ReportProgress = silent) -> Segmentation:
    """Segment every slice; those of a scan as `core.model.predictor.Predictor.predict_scan` does, the same pixels included.

    Raises:
        ModelError: the model cannot be loaded.
    """
    choice, models = segmenter.choice, segmenter.model_cache
    recipe, images = models.recipe(choice), upload.slices
    window = model_window(np.stack(images), recipe.window) if upload.is_scan else None
    beside = neighbours(upload.numbers, recipe.context_stride) if upload.is_scan else None
    label_maps, confidence = [], []
    for position, image in enumerate(images):
        progress(position, len(images), upload.names[position])
        # Slice by slice, so that others get their turn in between.
        between = None if beside is None else (images[beside[position, 0]], images[beside[position, 2]])
        label_map, sure = models.predict(choice, image, window, between=between)
        label_maps.append(label_map)
        confidence.append(sure)
    progress(len(images), len(images), "done")
    return Segmentation(upload, tuple(label_maps), tuple(confidence), choice)


def only(result: Segmentation, position: int) -> Segmentation:
    """One picture of several, as an upload of its own."""
    upload, here = result.upload, slice(position, position + 1)
    one = replace(
        upload,
        title=upload.names[position],
        slices=upload.slices[here],
        names=upload.names[here],
        numbers=upload.numbers[here],
        colours=upload.in_colour[here],
    )
    label_maps, confidence, remarks = result.label_maps[here], result.confidence[here], result.remarks[here]
    return replace(result, upload=one, label_maps=label_maps, confidence=confidence, remarks=remarks)


def predict_gradio(
    picture: str | Path | None, segmenter: Segmenter, *, opacity: float = OPACITY, organs: Collection[int] = ORGAN_IDS
) -> tuple[Rgb, Rgb, str]:
    """Segment one picture.

    Args:
        picture: path of a grey or colour picture of 8 or 16 bits; nothing where none was chosen.
        opacity: weight of the organ colours in the overlay, 0 to 1.
        organs: class ids to draw in the overlay.

    Returns:
        Mask in the classes' colours and overlay, both (H, W, 3) uint8 at the picture's own size, and the class
        statistics in Markdown.

    Raises:
        GutCheckError: no file, or one that cannot be used, named by its file name only; or the model cannot be loaded.
    """
    result = segment_upload(read_upload([Path(picture)] if picture else []), segmenter)
    overlay = overlay_of(result, 0, opacity, organs)
    return num_to_rgb(result.label_maps[0]), overlay, get_class_statistics_gradio(result.label_maps[0])


def overlay_of(result: Segmentation, position: int, opacity: float, organs: Collection[int]) -> Rgb:
    """(H, W, 3) uint8: the organs' colours over a slice under its display window; nothing is predicted again."""
    return blend(result.upload.grey(position), result.label_maps[position], opacity=opacity, organs=organs)


def get_class_statistics_gradio(label_map: LabelMap, *, grid: Grid = NOWHERE, partial: str = "") -> str:
    """Pixels, percent and, where it is known, ml per class, as a Markdown table with a chip of each class's colour.

    Args:
        label_map: (H, W) or (Z, H, W) uint8.
        grid: of its voxels.
        partial: why there is no volume in any case, see `core.data.readers.uploads.Upload.partial`.
    """
    return statistics_table(class_statistics(label_map), label_map.shape, grid, partial)


def statistics_table(rows: Sequence[dict[str, Any]], shape: tuple[int, ...], grid: Grid, partial: str = "") -> str:
    """The same of what `core.imaging.overlay.class_statistics` counted in label maps of this shape, (H, W) or (Z, H, W)."""
    ml = None if partial else grid.voxel_ml
    lines = []
    for row in rows:
        kind = CLASSES[row["class_id"]]
        volume = "" if ml is None else f" {row['pixels'] * ml:,.1f} |"
        lines.append(f"| {_chip(kind.hex)} {kind.title} | {row['pixels']:,} | {row['percent']:.2f} |{volume}")
    what = "Voxels" if len(shape) == 3 else "Pixels"
    head = f"| Class | {what} | Percent |" + ("" if ml is None else " ml |")
    return "\n".join(
        [head, "|:--|--:|--:|" + ("" if ml is None else "--:|"), *lines, "", _basis(shape, what.lower(), grid, partial)]
    )


def _basis(shape: tuple[int, ...], what: str, grid: Grid, partial: str) -> str:
    size = " × ".join(str(side) for side in reversed(shape))
    known = f"spacing {spacing_text(grid.spacing_mm)}" if grid.spacing_mm else ""
    why = partial or ("" if known else "spacing unknown, so no volumes")
    return f"Of {size} {what}; {'; '.join(filter(None, [known, why]))}."


def spacing_text(spacing_mm: Spacing) -> str:
    """Spacing (z, y, x) as people read it, x first."""
    return " × ".join(f"{step:.4g}" for step in reversed(spacing_mm)) + " mm"


def described(upload: Upload, position: int) -> str:
    """Name, place, size and notes of a slice, in Markdown, without the stop at its end."""
    image = upload.slices[position]
    size = f"{image.shape[1]} × {image.shape[0]} pixels, {image.dtype.itemsize * 8} bits"
    where = f", {escape(upload.names[position])} ({position + 1} of {len(upload.slices)})" if len(upload.slices) > 1 else ""
    notes = "".join(f" {escape(note)}" for note in upload.notes)
    return f"**{escape(upload.title)}**{where}, {size}{'.' + notes if notes else ''}".rstrip(".")


def result_status(result: Segmentation, position: int) -> str:
    """The same of a slice that is segmented, with its model and what is to be said of its likeness."""
    remark = result.remarks[position]
    warning = f'<span class="warning">{escape(remark)}</span>' if remark else ""
    text = f"{described(result.upload, position)}. Segmented by **{escape(result.model.name)}**."
    return "\n\n".join(filter(None, [text, warning]))


def model_note(choice: ModelChoice) -> str:
    """What a model was trained on, as a sentence in Markdown."""
    note = choice.training_note
    return f"{escape(note[0].upper() + note[1:])}."


def error_html(error: GutCheckError, *, in_status: bool = False) -> str:
    """The sentence of an error.

    Args:
        in_status: as the page's status shows it.
    """
    return f'<span class="problem">{escape(error)}</span>' if in_status else str(escape(error))


def _chip(colour: str) -> str:
    return f'<span class="chip" style="background-color: {colour}"></span>'
