"""The demo's page in Gradio Blocks: what stands on it, and which button calls what."""

from dataclasses import dataclass
from typing import Any

from starlette.middleware import Middleware

from core.labels import ORGANS
from dashboard.demo import limits
from dashboard.demo.api import add_api
from dashboard.demo.examples import examples
from dashboard.demo.limits import MAX_AT_ONCE, QUEUE_SIZE
from dashboard.demo.looks import BUSY, CSS, DONE, HEADING, HINT, INTAKE, SAVE, TOO_LARGE, thumbnails
from dashboard.demo.patches import blocks, file_input, load_gradio, picture
from dashboard.demo.received import KEPT_S
from dashboard.demo.results import OPACITY, ORGAN_IDS, model_note
from dashboard.demo.routes import Front
from dashboard.demo.session import DOWNLOADS, NOTHING_YET, Demo


def page_options(*, shared: bool = False) -> dict[str, Any]:
    """What ``launch`` and ``mount_gradio_app`` must both be told.

    Args:
        shared: answer Gradio's own sign-in, see `dashboard.demo.routes.SIGN_IN`.
    """
    gr = load_gradio()
    theme = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return {
        "theme": theme,
        "css": CSS,
        "js": INTAKE,
        # Else the browser of a shared computer keeps every picture for the next person.
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "footer_links": ["settings"],
        "allowed_paths": [],
        "max_file_size": limits.MAX_FILE_BYTES,
        "app_kwargs": {"middleware": [Middleware(Front, shared=shared)]},
    }


def build_page(demo: Demo) -> Any:
    """The page; it is served by ``launch(**page_options())`` or mounted with the same options."""
    gr = load_gradio()
    with blocks(gr, title="GutCheck demo", analytics_enabled=False, fill_width=True, delete_cache=(KEPT_S, KEPT_S)) as page:
        gr.Markdown(HEADING, elem_id="heading")
        with gr.Row():
            with gr.Column(scale=1, min_width=250):
                inputs = _inputs(gr, demo)
            with gr.Column(scale=5, min_width=560):
                outputs = _outputs(gr)
        _connect(gr, page, demo, inputs, outputs)
        add_api(gr, demo, concurrency_limit=MAX_AT_ONCE)
    return page.queue(max_size=QUEUE_SIZE)


@dataclass(frozen=True)
class _Inputs:
    files: Any
    model: Any
    model_note: Any
    segment: Any
    examples: list[Any]
    pixel_mm: Any
    slice_mm: Any


@dataclass(frozen=True)
class _Outputs:
    status: Any
    slice: Any
    overlay: Any
    third: Any
    position: Any
    opacity: Any
    organs: Any
    which: Any
    statistics: Any
    scan_statistics: Any
    downloads: list[Any]
    saved: Any


def _inputs(gr: Any, demo: Demo) -> _Inputs:
    files = file_input(gr, file_count="multiple", label="MR slices or a scan", height=165, elem_id="files")
    gr.Markdown(HINT, elem_id="hint")
    names = list(demo.models())
    model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model")
    note = gr.Markdown(model_note(demo.model(names[0])), elem_id="model_note")
    button = gr.Button("Segment", variant="primary", elem_id="segment")
    gr.Markdown("Examples: synthetic phantoms")
    with gr.Row(elem_id="examples"):
        buttons = [gr.Button(title, elem_id=f"example{number}", size="sm") for number, title in enumerate(examples())]
    with gr.Accordion("Spacing, for volumes in ml", open=False):
        pixel_mm = gr.Number(None, label="Pixel size, mm", info="Where the file does not state it.", minimum=0, maximum=100)
        slice_mm = gr.Number(None, label="Distance of slices, mm", minimum=0, maximum=100)
    gr.HTML(thumbnails(list(examples().values())), padding=False)
    return _Inputs(files, model, note, button, buttons, pixel_mm, slice_mm)


def _outputs(gr: Any) -> _Outputs:
    status = gr.Markdown(NOTHING_YET, elem_id="status", container=True)
    with gr.Row():
        named = {"slice": "Slice", "overlay": "Overlay", "third": "Mask"}
        shown = [picture(gr, label=label, elem_id=name, buttons=["fullscreen"]) for name, label in named.items()]
    position = gr.Slider(1, 2, value=1, step=1, label="Slice", visible=False, elem_id="position")
    with gr.Row():
        opacity = gr.Slider(0, 1, value=OPACITY, step=0.05, label="Opacity", elem_id="opacity", scale=2, min_width=140)
        choices = [(organ.title, organ.id) for organ in ORGANS]
        organs = gr.CheckboxGroup(choices, value=list(ORGAN_IDS), label="Organs shown", elem_id="organs", scale=4)
        looks = {"label": "Third picture", "elem_id": "which", "scale": 3, "min_width": 140}
        which = gr.Radio([("Mask", "Mask"), ("Confidence (dark: unsure)", "Confidence")], value="Mask", **looks)
    with gr.Row(elem_id="statistics"):
        statistics = gr.Markdown("", elem_id="slice_statistics", container=True)
        scan_statistics = gr.Markdown("", elem_id="scan_statistics", container=True, visible=False)
    with gr.Row():
        downloads = [gr.Button(title, size="sm", min_width=120, elem_id=f"save_{kind}") for title, kind in DOWNLOADS.items()]
    saved = gr.Textbox(visible=False)
    return _Outputs(
        status, shown[0], shown[1], shown[2], position, opacity, organs, which, statistics, scan_statistics, downloads, saved
    )


def _connect(gr: Any, page: Any, demo: Demo, inputs: _Inputs, out: _Outputs) -> None:
    from dashboard.demo.actions import Actions

    options = [out.position, out.opacity, out.organs, out.which, inputs.pixel_mm, inputs.slice_mm]
    shown = [out.status, out.slice, out.overlay, out.third, out.position, out.statistics, out.scan_statistics]
    # These take milliseconds and wait for nobody. They stay in the queue: without it (``queue=False``) Gradio 6.31
    # forgets the path that it is mounted under, and the browser asks for the pictures where there are none.
    quick: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    actions = Actions(demo)
    inputs.files.upload(actions.open_files, [inputs.files, *options], [inputs.files, *shown], **quick)
    refused, told = gr.Button(visible="hidden", elem_id="too_large"), gr.Textbox(visible=False)
    refused.click(actions.refuse, told, [inputs.files, *shown], js=TOO_LARGE, **quick)
    for button in inputs.examples:
        button.click(actions.open_example, [button, *options], shown, **quick)
    page.load(actions.open_link, options, [inputs.model, *shown], **quick)
    inputs.model.input(actions.change_model, [inputs.model, *options], [inputs.model_note, *shown], **quick)
    inputs.segment.click(None, None, None, js=BUSY, **quick)
    inputs.segment.click(
        actions.segment,
        [inputs.model, *options],
        shown,
        concurrency_limit=MAX_AT_ONCE,
        concurrency_id="segment",
        show_progress_on=[out.slice, out.overlay, out.third],
        api_visibility="private",
    ).then(None, None, None, js=DONE, **quick)
    changes = [field.input for field in options[:4]] + [field.change for field in options[4:]]
    gr.on(changes, actions.show, options, shown, trigger_mode="always_last", **quick)
    for button in out.downloads:
        saving = button.click(actions.download, [button, *options], out.saved, **quick)
        saving.success(None, out.saved, None, js=SAVE, **quick)
    page.unload(actions.forget)
