"""The demo's page in Gradio Blocks, and the functions behind its buttons."""

from __future__ import annotations

import atexit
import html
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.config import InferenceConfig
from core.data.images import volume_window, write_png
from core.data.masks import LabelMap
from core.data.phantom import make_scan
from core.errors import GutCheckError, ImageError
from core.labels import CLASSES, ORGANS
from core.overlay import Rgb, blend, class_statistics, num_to_rgb
from dashboard.segment import ModelChoice, Segmentation, Segmenter, displayed

if TYPE_CHECKING:
    import gradio

OPACITY = InferenceConfig().opacity
ORGAN_IDS: tuple[int, ...] = tuple(organ.id for organ in ORGANS)
NOTHING_YET = "Choose a slice or one of the examples, then press **Segment**."
NOT_SEGMENTED_YET = "This slice is not segmented yet: press **Segment**."
EXAMPLES: tuple[tuple[int, int], ...] = ((1, 4), (2, 7), (3, 8))
"""Phantom patient and slice of each example."""
EXAMPLE_SHAPE = (12, 224, 224)
KEPT_S = 3600
"""How long a picture that somebody uploaded stays on the server's disk and in its memory, in seconds."""
PICTURE_HEIGHT_PX = 340

CSS = """
.gradio-container { max-width: 1400px !important; margin: 0 auto !important; }
.chip { display: inline-block; width: 0.9em; height: 0.9em; border-radius: 3px; border: 1px solid #8888; vertical-align: -0.1em; }
#heading h1 { margin-bottom: 0.2em; }
#heading p { margin: 0.2em 0; }
#statistics table { width: 100%; margin: 0; font-variant-numeric: tabular-nums; }
#statistics table, #statistics tr { border: 0 !important; }
#statistics th, #statistics td { padding: 2px 12px; border-width: 0 0 1px; border-color: #8884; }
#statistics th:not(:first-child), #statistics td:not(:first-child) { text-align: right; }
#mask img, #overlay img { width: 100%; height: 100%; padding-top: 40px; object-fit: contain; image-rendering: pixelated; }
#picture img { padding-top: 40px; }
"""


def predict_gradio(
    picture: str | Path | None,
    segmenter: Segmenter,
    *,
    opacity: float = OPACITY,
    organs: Collection[int] = ORGAN_IDS,
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
        ImageError: no picture, or one that cannot be used; it is named by its file name only.
        ModelError: the model cannot be loaded.
    """
    return _results(segment_picture(picture, segmenter), opacity, organs)


def segment_picture(picture: str | Path | None, segmenter: Segmenter) -> Segmentation:
    """As `predict_gradio`, without making pictures of it."""
    if not picture:
        raise ImageError("There is no picture yet", todo="choose a slice or one of the examples, then press Segment")
    try:
        return segmenter.segment(Path(picture))
    except ImageError as error:
        raise _by_name(error) from error


def _by_name(error: ImageError) -> ImageError:
    # The server's temporary folders are nobody's business, and say nothing to whoever uploaded the picture.
    name = error.value.name if isinstance(error.value, Path) else error.value
    return ImageError(error.what, value=name, todo=error.todo)


def _results(result: Segmentation, opacity: float, organs: Collection[int]) -> tuple[Rgb, Rgb, str]:
    overlay = blend(result.grey, result.label_map, opacity=opacity, organs=organs)
    return num_to_rgb(result.label_map), overlay, get_class_statistics_gradio(result.label_map)


def get_class_statistics_gradio(label_map: LabelMap) -> str:
    """Pixels and percent of the picture per class, as a Markdown table with a chip of each class's colour."""
    rows = [
        f"| {_chip(CLASSES[row['class_id']].hex)} {CLASSES[row['class_id']].title} | {row['pixels']:,} | {row['percent']:.2f} |"
        for row in class_statistics(label_map)
    ]
    height, width = label_map.shape
    table = ["| Class | Pixels | Percent of the picture |", "|:--|--:|--:|", *rows]
    return "\n".join([*table, "", f"{width} × {height} pixels. Percentages are of this one slice's area, not of a volume."])


def _chip(colour: str) -> str:
    return f'<span class="chip" style="background-color: {colour}"></span>'


def build_page(segmenter: Segmenter) -> gradio.Blocks:
    """The page; it is served by ``launch(**page_options())`` or mounted with the same options."""
    gr = load_gradio()
    files = private_folder()
    with gr.Blocks(title="GutCheck demo", analytics_enabled=False, delete_cache=(KEPT_S // 6, KEPT_S)) as page:
        gr.Markdown(heading(segmenter.choice), elem_id="heading")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                picture, button = _inputs(gr)
                gr.Examples([[str(path)] for path in write_examples(files)], picture, label="Examples: synthetic phantom slices")
            with gr.Column(scale=2, min_width=560):
                widgets = _outputs(gr)
        _connect(gr, segmenter, picture, button, widgets)
    return page


def load_gradio() -> Any:
    """Gradio, imported with its analytics off; takes seconds, hence not at the top."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio

    return gradio


def private_folder() -> Path:
    """Where Gradio keeps uploads: a folder that only this user can read and that goes when the process ends.

    Gradio's own default is a folder that everybody on the machine can read and that outlives the server.
    """
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="gutcheck-demo-")
        os.environ["GRADIO_TEMP_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(os.environ["GRADIO_TEMP_DIR"])


def page_options() -> dict[str, Any]:
    """What ``launch`` and ``mount_gradio_app`` must both be told."""
    gr = load_gradio()
    theme = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return {
        "theme": theme,
        "css": CSS,
        # Else the browser of a shared computer keeps every picture for the next person.
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "footer_links": ["settings"],
        "max_file_size": "100mb",
        "allowed_paths": [],
    }


def heading(choice: ModelChoice) -> str:
    """What it is, what it is not, and which model answers, in Markdown."""
    return "\n\n".join(
        [
            "# GutCheck demo",
            "Outlines the stomach, the small bowel and the large bowel on one abdominal MR slice. "
            "**Not a medical device:** for research and teaching, never for diagnosis or treatment.",
            f"Model: **{html.escape(choice.name)}**, {_training_note(choice)}",
        ]
    )


def _training_note(choice: ModelChoice) -> str:
    data = html.escape(choice.trained_on or "")
    if choice.synthetic is None:
        return "training data not recorded."
    if choice.synthetic:
        return f"trained on synthetic phantoms only ({data}); do not expect sensible outlines on real slices."
    return f"trained on {data}."


def write_examples(folder: Path) -> list[Path]:
    """Write the example slices as 8-bit PNG under their scan's window, since a browser shows 16-bit MR as black."""
    folder = folder / "examples"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for patient, number in EXAMPLES:
        scan = make_scan(patient, shape=EXAMPLE_SHAPE)
        paths.append(folder / f"phantom{patient:03d}_day0_slice_{number:04d}.png")
        write_png(paths[-1], volume_window(scan.image).apply(scan.image[number]))
    return paths


@dataclass(frozen=True)
class _Outputs:
    """The widgets that show a result, and the segmentation that they show."""

    mask: Any
    overlay: Any
    opacity: Any
    organs: Any
    statistics: Any
    state: Any


def _inputs(gr: Any) -> tuple[Any, Any]:
    picture = gr.Image(
        label="MR slice",
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        height=PICTURE_HEIGHT_PX,
        buttons=["fullscreen"],
        elem_id="picture",
    )
    # Gradio opens the file with Pillow even for a path, so that a damaged one would end in its traceback and not in
    # our sentence. A subclass would do, but for each one Gradio writes a .pyi file beside the source.
    picture.preprocess = lambda payload: payload.path if payload else None
    return picture, gr.Button("Segment", variant="primary", elem_id="segment")


def _outputs(gr: Any) -> _Outputs:
    # PNG: the default, WebP, would change the colours of classes.
    looks = {"format": "png", "interactive": False, "height": PICTURE_HEIGHT_PX, "buttons": ["download", "fullscreen"]}
    with gr.Row():
        mask = gr.Image(label="Mask", elem_id="mask", **looks)
        overlay = gr.Image(label="Overlay, contrast adjusted", elem_id="overlay", **looks)
    with gr.Row():
        opacity = gr.Slider(0, 1, value=OPACITY, step=0.05, label="Opacity", elem_id="opacity")
        choices = [(organ.title, organ.id) for organ in ORGANS]
        organs = gr.CheckboxGroup(choices, value=list(ORGAN_IDS), label="Organs shown", elem_id="organs")
    statistics = gr.Markdown(NOTHING_YET, label="Statistics", elem_id="statistics", container=True)
    return _Outputs(mask, overlay, opacity, organs, statistics, gr.State(time_to_live=KEPT_S))


def _connect(gr: Any, segmenter: Segmenter, picture: Any, button: Any, out: _Outputs) -> None:
    def predict(picture: str | None, opacity: float, organs: list[int]) -> tuple[Rgb, Rgb, str, Segmentation]:
        try:
            result = segment_picture(picture, segmenter)
        except GutCheckError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from error
        return *_results(result, opacity, organs), result

    def reblend(result: Segmentation | None, opacity: float, organs: list[int]) -> Any:
        return gr.skip() if result is None else blend(result.grey, result.label_map, opacity=opacity, organs=organs)

    results = [out.mask, out.overlay, out.statistics, out.state]
    # On the pictures only: Gradio's badge for a failure would cover the sentence in the statistics.
    shown: dict[str, Any] = {"show_progress_on": [out.mask, out.overlay], "api_name": "predict_gradio"}
    button.click(predict, [picture, out.opacity, out.organs], results, concurrency_limit=1, **shown)
    # These take milliseconds and wait for nobody. They stay in the queue: without it (``queue=False``) Gradio 6.31
    # forgets the path that it is mounted under, and the browser asks for the pictures where there are none.
    quick: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    picture.change(_new_picture, picture, results, **quick)
    blending = [out.state, out.opacity, out.organs]
    gr.on([out.opacity.input, out.organs.input], reblend, blending, out.overlay, trigger_mode="always_last", **quick)


def _new_picture(path: str | None) -> tuple[None, NDArray[np.uint8] | None, str, None]:
    """Clear the previous picture's result, which must never stand beside another slice, and show the slice itself."""
    if not path:
        return None, None, NOTHING_YET, None
    try:
        grey = displayed(Path(path))
    except ImageError as error:
        return None, None, f"⚠️ {html.escape(str(_by_name(error)))}", None
    return None, grey, NOT_SEGMENTED_YET, None
