"""What can be downloaded of a segmentation: class ids and colours as PNG, NIfTI, and a report; made in memory."""

import base64
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.grid import Grid
from core.data.images import encode_png
from core.data.masks import LabelMap
from core.data.writers.nifti import label_bytes
from core.imaging.overlay import blend, num_to_rgb
from core.labels import CLASSES, ORGANS
from core.reports.page import Section, facts, gallery, html_page, paragraph, picture, table
from dashboard.demo.results import OPACITY, Segmentation, only, spacing_text

REPORTED_SLICES = 6
"""Slices of a scan that the report shows: those with the most organ."""


@dataclass(frozen=True)
class Download:
    """A file for the browser."""

    name: str
    media_type: str
    content: bytes

    @property
    def url(self) -> str:
        """The file as a data address, so that it never lies on the server's disk."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"


def mask_download(result: Segmentation) -> Download:
    """Class ids, 0 to 3, as 8-bit PNG; zipped where there are several slices."""
    return _pictures(result, "mask", lambda label_map: label_map)


def colour_download(result: Segmentation) -> Download:
    """The mask in the classes' colours, as PNG; zipped where there are several slices."""
    return _pictures(result, "colours", num_to_rgb)


def _pictures(result: Segmentation, what: str, turn: Callable[[LabelMap], NDArray[np.uint8]]) -> Download:
    encoded = [encode_png(turn(label_map)) for label_map in result.label_maps]
    if len(encoded) == 1:
        return Download(f"{_stem(result.upload.title)}_{what}.png", "image/png", encoded[0])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for order, (name, content) in enumerate(zip(result.upload.names, encoded, strict=True), 1):
            archive.writestr(f"{order:04d}_{_stem(name)}_{what}.png", content)
    return Download(f"{_stem(result.upload.title)}_{what}.zip", "application/zip", packed.getvalue())


def _stem(name: str) -> str:
    bare = re.sub(r"\.(nii\.gz|nii|zip|dcm|png|jpe?g|bmp|tiff?)$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", bare).strip("_")[:80] or "upload"


def nifti_download(result: Segmentation, position: int, grid: Grid) -> Download:
    """The class ids as NIfTI: a whole scan, voxel by voxel on the grid of the file that it came from, or the slice shown.

    Args:
        grid: of the upload, as far as files and user say.
    """
    upload = result.upload
    name = upload.title if upload.is_scan or len(upload.slices) == 1 else upload.names[position]
    if upload.is_scan:
        content = label_bytes(np.stack(result.label_maps), grid, axes=upload.axes, numbers=upload.numbers)
    else:
        content = label_bytes(result.label_maps[position][None], grid)
    return Download(f"{_stem(name)}_mask.nii.gz", "application/gzip", content)


def report_download(result: Segmentation, position: int, grid: Grid) -> Download:
    """A page with the statistics and the overlays, in one HTML file: of a whole scan, or of the picture shown.

    Args:
        grid: of the upload, as far as files and user say.
    """
    if not result.upload.is_scan:
        result = only(result, position)
    upload, model = result.upload, result.model
    known = {
        "File": upload.title,
        "Slices": len(upload.slices),
        "Spacing": spacing_text(grid.spacing_mm) if grid.spacing_mm else "unknown",
        **({"Volume": upload.partial} if upload.partial else {}),
        "Model": f"{model.name}, {model.training_note}",
        "Made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    remarks = [paragraph(text, quiet=True) for text in (result.remarks[0], *upload.notes) if text]
    shown = gallery(picture(_overlay(result, i), caption=upload.names[i], width=360) for i in _worth_showing(result))
    sections = [
        Section("What was segmented", [facts(known), *remarks]),
        Section("Classes", [_classes(result, None if upload.partial else grid.voxel_ml)]),
        Section("Overlay, contrast adjusted", [shown, _legend()]),
    ]
    content = html_page(f"Segmentation of {upload.title}", sections).encode()
    return Download(f"{_stem(upload.title)}_report.html", "text/html", content)


def _worth_showing(result: Segmentation) -> list[int]:
    drawn = [int((label_map > 0).sum()) for label_map in result.label_maps]
    return sorted(sorted(range(len(drawn)), key=lambda i: -drawn[i])[:REPORTED_SLICES])


def _overlay(result: Segmentation, position: int) -> NDArray[np.uint8]:
    return blend(result.upload.grey(position), result.label_maps[position], opacity=OPACITY)


def _legend() -> Any:
    return paragraph(", ".join(f"{organ.title}: {organ.hex}" for organ in ORGANS), quiet=True)


def _classes(result: Segmentation, voxel_ml: float | None) -> Any:
    rows = pd.DataFrame(
        {"Class": CLASSES[row["class_id"]].title, "Pixels": row["pixels"], "Percent": row["percent"]}
        for row in result.scan_statistics
    )
    if voxel_ml is not None:
        rows["Volume, ml"] = rows["Pixels"] * voxel_ml
    return table(rows, formats={"Percent": ".2f", "Volume, ml": ".1f"})
