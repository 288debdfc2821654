"""The functions behind the page's buttons, as Gradio wants them: values of widgets in, values of widgets out.

Gradio hands the request to a parameter that is annotated with its class, and a bar to one whose default is ``gr.Progress()``;
so it is imported at the top here, and this module by `page` alone, once `patches.load_gradio` has run.
"""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import GutCheckError
from dashboard.demo.examples import examples
from dashboard.demo.limits import too_large
from dashboard.demo.results import error_html, model_note
from dashboard.demo.session import DOWNLOADS, Demo, DisplayOptions, Third, View
from dashboard.web.access import reader_of


def _display_options(values: tuple[Any, ...]) -> DisplayOptions:
    """What the page's widgets state: slice (from 1), opacity, organs, third picture, sizes in mm."""
    position, opacity, organs, third, pixel_mm, slice_mm = values
    spacing_mm = (float(slice_mm), float(pixel_mm), float(pixel_mm)) if pixel_mm and slice_mm else None
    return DisplayOptions(int(position) - 1, float(opacity), organs, third, spacing_mm)


def _tab(request: gr.Request) -> str:
    """The tab that asks, by a name that no other reader's tab can state."""
    return f"{reader_of(request.headers) or ''}\n{request.session_hash}"


def _shown(view: View, label: Third = "Mask") -> tuple[Any, ...]:
    """Values of status, slice, overlay, third picture, slice slider, and statistics of slice and scan."""
    several = view.count > 1
    of_scan = gr.update(value=view.scan_statistics, visible=bool(view.scan_statistics))
    slider = gr.update(value=view.position + 1, maximum=max(view.count, 2), visible=several)
    third = gr.update(value=view.third, label=label)
    return view.status, view.grey, view.overlay, third, slider, view.statistics, of_scan


def _problem(error: GutCheckError) -> tuple[Any, ...]:
    return _shown(View(error_html(error, in_status=True)))


class Actions:
    """The page's functions over a demo; an error that none of them catches is told by `patches.blocks`."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def open_files(self, request: gr.Request, paths: list[Path], *values: Any) -> tuple[Any, ...]:
        """Read what was uploaded, and empty the field for the next."""
        try:
            self.demo.open_files(_tab(request), paths)
        except GutCheckError as error:
            return None, *_problem(error)
        middle = self.demo.view(_tab(request), DisplayOptions()).count // 2
        return None, *self._show_at(middle, request, values)

    def refuse(self, request: gr.Request, file: str) -> tuple[Any, ...]:
        """Say that a file is too large, which the browser has seen before sending it."""
        self.demo.tabs.clear(_tab(request))
        return None, *_problem(too_large(file))

    def open_example(self, request: gr.Request, title: str, *values: Any) -> tuple[Any, ...]:
        """Open an example, by what its button says."""
        upload = examples()[title]
        self.demo.open(_tab(request), upload)
        return self._show_at(len(upload.slices) // 2, request, values)

    def open_link(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """When the page loads: the models of now, and the case that the address names."""
        query = dict(request.query_params)
        try:
            names = list(self.demo.models())
            model = gr.update(choices=names, value=query["run"] if query.get("run") in names else names[0])
            position = self.demo.open_link(_tab(request), query)
        except GutCheckError as error:
            return gr.skip(), *_problem(error)
        return model, *([gr.skip()] * 7 if position is None else self._show_at(position, request, values))

    def change_model(self, request: gr.Request, model: str, *values: Any) -> tuple[Any, ...]:
        """Forget the other model's result, and say what this one was trained on."""
        self.demo.forget_result(_tab(request))
        try:
            return model_note(self.demo.model(model)), *self.show(request, *values)
        except GutCheckError as error:
            return "", *_problem(error)

    def segment(self, request: gr.Request, bar: Any = gr.Progress(), model: str = "", *values: Any) -> tuple[Any, ...]:  # noqa: B008
        """Segment what is open."""

        def tell(done: int, total: int, what: str) -> None:
            if total > 1:
                bar((done, total), desc=what, unit="slices")

        self.demo.segment(_tab(request), model, tell)
        return self.show(request, *values)

    def show(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Show another slice, other organs, another opacity; nothing is predicted."""
        options = _display_options(values)
        return _shown(self.demo.view(_tab(request), options), options.third)

    def _show_at(self, position: int, request: gr.Request, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return self.show(request, position + 1, *values[1:])

    def download(self, request: gr.Request, title: str, *values: Any) -> str:
        """The file that a button names, as JSON of its name and data address."""
        file = self.demo.download(_tab(request), DOWNLOADS[title], _display_options(values))
        return json.dumps([file.name, file.url])

    def forget(self, request: gr.Request) -> None:
        """When the tab is closed: drop what it has uploaded."""
        self.demo.tabs.clear(_tab(request))
