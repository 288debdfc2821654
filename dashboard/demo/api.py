"""What programs may call, by Gradio's client or its REST address: files in, JSON out, nothing kept."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.images import encode_png
from core.data.readers.uploads import read_upload
from core.errors import ImageError
from core.imaging.overlay import num_to_rgb
from core.labels import CLASSES
from dashboard.demo.downloads import nifti_download
from dashboard.demo.patches import file_input
from dashboard.demo.received import RECEIVED
from dashboard.demo.results import OPACITY, ORGAN_IDS, Segmentation, overlay_of
from dashboard.demo.session import Demo, DisplayOptions, grid_of

NOTICE = "Not a medical device."


class Api:
    """The calls over a demo; `patches.blocks` tells their errors."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def predict(self, files: list[Path], model: str = "") -> dict[str, Any]:
        """Segment one picture, and delete its file.

        Returns:
            ``mask_png`` (class ids), ``colours_png``, ``overlay_png`` and ``confidence_png`` (255 for certainty): PNG of the
            picture's own size in Base64. ``classes``: pixels, percent and, of a whole scan of known spacing, ml. ``remark`` on
            the picture's likeness to the training data, ``model``, ``spacing_mm`` (z, y, x) and ``notes``.

        Raises:
            GutCheckError: no file, or one that was not uploaded, cannot be used or holds several slices; no such model.
        """
        result = self._segmented(files, model)
        if len(result.label_maps) > 1:
            todo = "call /predict_scan"
            raise ImageError(f"There are {len(result.label_maps)} slices", value=result.upload.title, todo=todo)
        label_map = result.label_maps[0]
        pictures = {
            "mask_png": label_map,
            "colours_png": num_to_rgb(label_map),
            "overlay_png": overlay_of(result, 0, OPACITY, ORGAN_IDS),
            "confidence_png": result.confidence[0],
        }
        return {name: _png(pixels) for name, pixels in pictures.items()} | _facts(result)

    def predict_scan(self, files: list[Path], model: str = "") -> dict[str, Any]:
        """Segment a whole scan: a zip of slices, a NIfTI volume, a DICOM series or several pictures; and delete the files.

        Returns:
            ``mask_nifti``: class ids as ``.nii.gz`` in Base64; ``slices``; and the rest as `predict` has it.

        Raises:
            GutCheckError: see `predict`; or pictures that are not one scan.
        """
        result = self._segmented(files, model)
        if not result.upload.is_scan:
            todo = "use slices of one size, named alike but for their numbers; or call /predict for each"
            raise ImageError("The pictures are not one scan", value=result.upload.title, todo=todo)
        packed = nifti_download(result, 0, grid_of(result.upload, DisplayOptions())).content
        return {"mask_nifti": base64.b64encode(packed).decode(), "slices": len(result.label_maps)} | _facts(result)

    def models(self) -> list[str]:
        """The names that may be given as ``model``, the default first."""
        return list(self.demo.models())

    def _segmented(self, paths: Sequence[Path], model: str) -> Segmentation:
        with RECEIVED.taken(paths) as files:
            upload = read_upload(files)
        return self.demo.segmented(upload, model)


def _png(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(encode_png(pixels)).decode()


def _facts(result: Segmentation) -> dict[str, Any]:
    upload = result.upload
    ml = None if upload.partial else upload.grid.voxel_ml
    return {
        "classes": [
            row | {"name": CLASSES[row["class_id"]].name, "ml": None if ml is None else row["pixels"] * ml}
            for row in result.scan_statistics
        ],
        "remark": result.remarks[0],
        "model": result.model.name,
        "spacing_mm": upload.grid.spacing_mm,
        "notes": [*upload.notes, *([f"{upload.partial[0].upper()}{upload.partial[1:]}."] if upload.partial else []), NOTICE],
    }


def add_api(gr: Any, demo: Demo, *, concurrency_limit: int) -> None:
    """Add ``/predict``, ``/predict_scan`` and ``/models`` to a page, with no widget that anybody sees."""
    api = Api(demo)
    shared = {"concurrency_limit": concurrency_limit, "concurrency_id": "segment"}
    with gr.Row(visible=False):
        model, answer, button = gr.Textbox("", label="Model, by default the first"), gr.JSON(), gr.Button()
        picture = file_input(gr, label="Picture")
        scan = file_input(gr, label="Zip, NIfTI volume, DICOM files or pictures", file_count="multiple")
        button.click(api.predict, [picture, model], answer, api_name="predict", **shared)
        button.click(api.predict_scan, [scan, model], answer, api_name="predict_scan", **shared)
        button.click(api.models, None, answer, api_name="models", concurrency_limit=None)
