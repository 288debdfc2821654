"""Outlining the organs in loose pictures: which ones, under which window, and the files that come of it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.context import neighbours
from core.data.identity import parse_slice_name
from core.data.images import FULL_8BIT, SUFFIXES, Pixels, Window, model_window, read_image, write_png
from core.data.index import MAX_NAMED
from core.errors import ImageError
from core.overlay import blend, class_statistics
from core.progress import Progress, silent

if TYPE_CHECKING:
    from core.predict import Predictor


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
    """Pictures that can be used, by scan, with the scan's window; and what is wrong with the others."""

    scans: dict[str, list[Path]]
    windows: dict[str, Window]
    problems: dict[Path, str]


def check_pictures(paths: list[Path], *, progress: Progress = silent) -> Checked:
    """Decode every picture once, before anything is predicted.

    Pictures whose names say that they are one scan get one window, as `core.data.images.model_window` finds it.
    """
    scans: dict[str, list[Path]] = defaultdict(list)
    problems: dict[Path, str] = {}
    deep: dict[str, list[Any]] = defaultdict(list)
    for done, path in enumerate(paths):
        progress(done, len(paths), path.name)
        scan = parse_slice_name(path.stem).scan
        try:
            pixels = read_image(path)
        except ImageError as error:
            problems[path] = f"{path.name}: {error.what[:1].lower()}{error.what[1:]}"
            continue
        scans[scan].append(path)
        if pixels.dtype != np.uint8:
            deep[scan].append(pixels.ravel())
    windows = {scan: model_window(np.concatenate(deep[scan])) if scan in deep else FULL_8BIT for scan in scans}
    return Checked(dict(scans), windows, problems)


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


def _like(pixels: Pixels, path: Path) -> Pixels:
    """The picture at ``path``; where it is of another size or depth, the slice beside it stands in."""
    found = read_image(path)
    return found if (found.shape, found.dtype) == (pixels.shape, pixels.dtype) else pixels


def predict_pictures(checked: Checked, predictor: "Predictor", folder: Path) -> Iterator[dict[str, Any]]:
    """Write ``NAME_mask.png`` (class ids, the picture's own size) and ``NAME_overlay.png`` for each picture.

    One picture, with its neighbours where the model wants them, is in memory at a time.

    Yields:
        Names of the files and pixels per class, for each picture.
    """
    for scan, found in checked.scans.items():
        paths = sorted(found, key=lambda path: parse_slice_name(path.stem).number)
        table = neighbours([parse_slice_name(path.stem).number for path in paths], predictor.recipe.context_stride)
        for path, (before, _, after) in zip(paths, table, strict=True):
            pixels = read_image(path)
            window = FULL_8BIT if pixels.dtype == np.uint8 else checked.windows[scan]
            between = (_like(pixels, paths[before]), _like(pixels, paths[after])) if predictor.recipe.context_stride else None
            label_map, _ = predictor.predict_slice(pixels, window, between=between)
            mask, overlay = f"{path.stem}_mask.png", f"{path.stem}_overlay.png"
            write_png(folder / mask, label_map)
            write_png(folder / overlay, blend(window.apply(pixels), label_map, opacity=predictor.config.opacity))
            yield {"input": str(path), "mask": mask, "overlay": overlay, "classes": class_statistics(label_map)}
