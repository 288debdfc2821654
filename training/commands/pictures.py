"""Outlining the organs in loose pictures: which ones, under which window, and the files that come of it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.cli.progress import ReportProgress, silent
from core.config import InputWindow
from core.data.identity import MAX_NAMED, parse_slice_name
from core.data.images import SUFFIXES, Pixels, Window, model_window, read_image, write_png
from core.errors import ImageError
from core.imaging.overlay import blend, class_statistics
from core.model.context import neighbours
from core.storage.files import sha256_of_array
from core.storage.partial import PartialOutput

if TYPE_CHECKING:
    from core.model.predictor import Predictor


def find_pictures(source: Path) -> list[Path]:
    """The picture at ``source``, or those in that folder, by name.

    Raises:
        ImageError: nothing there, a folder without pictures, or two pictures whose results would have one name.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise ImageError("The picture or folder does not exist", value=source, todo="check the path")
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise ImageError("The folder has no pictures", value=source, todo=f"give one with files ending in {', '.join(SUFFIXES)}")
    by_stem: dict[str, Path] = {}
    for path in found:
        if path.stem in by_stem:
            value = f"{by_stem[path.stem].name}, {path.name}"
            raise ImageError("Two pictures differ only in their ending", value=value, todo="rename one of them")
        by_stem[path.stem] = path
    return found


@dataclass(frozen=True)
class Checked:
    """Pictures that can be used, by scan; and what is wrong with the others."""

    scans: dict[str, list[Path]]
    problems: dict[Path, str]


def check_pictures(paths: list[Path], *, progress: ReportProgress = silent) -> Checked:
    """Decode every picture once, before anything is predicted."""
    scans: dict[str, list[Path]] = defaultdict(list)
    problems: dict[Path, str] = {}
    for done, path in enumerate(paths):
        progress(done, len(paths), path.name)
        scan = parse_slice_name(path.stem).scan
        try:
            read_image(path)
        except ImageError as error:
            problems[path] = f"{path.name}: {error.what[:1].lower()}{error.what[1:]}"
            continue
        scans[scan].append(path)
    return Checked(dict(scans), problems)


def refuse_problems(checked: Checked) -> None:
    """Stop if any picture cannot be used.

    Raises:
        ImageError: all are counted, the first few named.
    """
    problems = list(checked.problems.values())
    if not problems:
        return
    more = f"; and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
    what = "A picture cannot be used" if len(problems) == 1 else f"{len(problems)} pictures cannot be used"
    todo = "replace them, or leave them out with --skip_bad"
    raise ImageError(what, value="; ".join(problems[:MAX_NAMED]) + more, todo=todo)


def _like(pixels: Pixels, found: Pixels) -> Pixels:
    """A neighbour; where it is of another size or depth, the slice beside it stands in."""
    return found if (found.shape, found.dtype) == (pixels.shape, pixels.dtype) else pixels


def scan_window(images: Sequence[Pixels], depth: np.dtype[Any], kind: InputWindow) -> Window:
    """The window of a scan's pictures of that depth, which may differ in size; see `core.data.images.model_window`."""
    return model_window(np.concatenate([image.ravel() for image in images if image.dtype == depth]), kind)


def predict_pictures(checked: Checked, predictor: "Predictor", kept: PartialOutput) -> Iterator[dict[str, Any]]:
    """Write ``NAME_mask.png`` (class ids, the picture's own size) and ``NAME_overlay.png`` for each picture.

    One scan, which pictures are by their names, is in memory at a time, and has one window. What is done already, from the very
    same pixels, is left as it is.

    Yields:
        Names of the files and pixels per class, for each picture.
    """
    recipe = predictor.recipe
    for found in checked.scans.values():
        paths = sorted(found, key=lambda path: parse_slice_name(path.stem).number)
        images = [read_image(path) for path in paths]
        windows = {depth: scan_window(images, depth, recipe.window) for depth in {image.dtype for image in images}}
        table = neighbours([parse_slice_name(path.stem).number for path in paths], recipe.context_stride)
        for path, pixels, (before, _, after) in zip(paths, images, table, strict=True):
            window = windows[pixels.dtype]
            between = (_like(pixels, images[before]), _like(pixels, images[after])) if recipe.context_stride else None
            mask, overlay = f"{path.stem}_mask.png", f"{path.stem}_overlay.png"
            shown = " ".join(f"{sha256_of_array(each)} {each.dtype} {each.shape}" for each in (pixels, *(between or ())))
            facts = kept.get(path.stem, f"{shown} {window}")
            if facts is None:
                label_map, _ = predictor.predict_slice(pixels, window, between=between)
                write_png(kept.folder / mask, label_map)
                write_png(kept.folder / overlay, blend(window.apply(pixels), label_map, opacity=predictor.config.opacity))
                facts = {"mask": mask, "overlay": overlay, "classes": class_statistics(label_map)}
                kept.put(path.stem, f"{shown} {window}", facts)
            yield {"input": str(path)} | facts
