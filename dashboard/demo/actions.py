"""The functions behind the page's buttons, as Gradio wants them: values of widgets in, values of widgets out.

Gradio hands the request to a parameter that is annotated with its class, and a bar to one whose default is ``gr.Progress()``.
Gradio is imported late, so the functions are made where its classes are at hand.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import GutCheckError
from dashboard.demo.examples import example_scans, example_slices
from dashboard.demo.limits import too_large
from dashboard.demo.session import Demo, DisplayOptions, DownloadKind, Third, View
from dashboard.web.access import reader_of

Handler = Callable[..., Any]


def model_note(demo: Demo, name: str | None) -> str:
    """What a model was trained on, as a sentence in Markdown."""
    note = demo.model(name).training_note
    return html.escape(note[0].upper() + note[1:]) + "."


def read_wish(values: tuple[Any, ...]) -> DisplayOptions:
    """The wish that the page's widgets state: slice (from 1), opacity, organs, third picture, sizes in mm."""
    position, opacity, organs, third, pixel_mm, slice_mm = values
    spacing_mm = (float(slice_mm), float(pixel_mm), float(pixel_mm)) if pixel_mm and slice_mm else None
    return DisplayOptions(int(position) - 1, float(opacity), organs, third, spacing_mm)


def _tab(request: Any) -> str:
    """The tab that asks, by a name that no other reader's tab can state."""
    return f"{reader_of(request.headers) or ''}\n{request.session_hash}"


class Actions:
    """Makes the page's functions over a demo."""

    def __init__(self, gr: Any, demo: Demo) -> None:
        self.gr, self.demo = gr, demo

    def _shown(self, view: View, label: Third = "Mask") -> tuple[Any, ...]:
        """Values of status, slice, overlay, third picture, slice slider, and statistics of slice and scan."""
        several = view.count > 1
        of_scan = self.gr.update(value=view.scan_statistics, visible=bool(view.scan_statistics))
        slider = self.gr.update(value=view.position + 1, maximum=max(view.count, 2), visible=several)
        third = self.gr.update(value=view.third, label=label)
        return view.status, view.grey, view.overlay, third, slider, view.statistics, of_scan

    def _view(self, request: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
        wish = read_wish(values)
        return self._shown(self.demo.view(_tab(request), wish), wish.third)

    def _first(self, request: Any, values: tuple[Any, ...], position: int = 0) -> tuple[Any, ...]:
        return self._view(request, (position + 1, *values[1:]))

    def _problem(self, error: GutCheckError) -> tuple[Any, ...]:
        return self._shown(View(f'<span class="problem">{html.escape(str(error))}</span>'))

    def _error(self, error: GutCheckError) -> Exception:
        raised: Exception = self.gr.Error(html.escape(str(error)), print_exception=False)
        return raised

    def open_files(self) -> Handler:
        """Read what was uploaded, and empty the field for the next."""
        import gradio as gr

        def open_files(request: gr.Request, paths: list[Path], *values: Any) -> tuple[Any, ...]:
            try:
                self.demo.open_files(_tab(request), paths)
            except GutCheckError as error:
                return None, *self._problem(error)
            middle = self.demo.view(_tab(request), DisplayOptions()).count // 2
            return None, *self._first(request, values, middle)

        return open_files

    def refuse(self) -> Handler:
        """Say that a file is too large, which the browser has seen before sending it."""
        import gradio as gr

        def refuse(request: gr.Request, file: str) -> tuple[Any, ...]:
            self.demo.desk.clear(_tab(request))
            return None, *self._problem(too_large(file))

        return refuse

    def open_example(self, number: int) -> Handler:
        """Open an example: a slice, or after those a scan."""
        import gradio as gr

        def open_example(request: gr.Request, *values: Any) -> tuple[Any, ...]:
            upload = [*example_slices(), example_scans()[0]][number]
            self.demo.open(_tab(request), upload)
            return self._first(request, values, len(upload.slices) // 2)

        return open_example

    def open_link(self) -> Handler:
        """When the page loads: the models of now, and the case that the address names."""
        import gradio as gr

        def open_link(request: gr.Request, *values: Any) -> tuple[Any, ...]:
            query = dict(request.query_params)
            try:
                names = list(self.demo.models())
                chosen = query["run"] if query.get("run") in names else names[0]
                model = gr.update(choices=names, value=chosen)
                position = self.demo.open_link(_tab(request), query)
            except GutCheckError as error:
                return gr.skip(), *self._problem(error)
            if position is None:
                return model, *[gr.skip()] * 7
            return model, *self._first(request, values, position)

        return open_link

    def change_model(self) -> Handler:
        """Forget the other model's result, and say what this one was trained on."""
        import gradio as gr

        def change_model(request: gr.Request, model: str, *values: Any) -> tuple[Any, ...]:
            self.demo.forget_result(_tab(request))
            try:
                return model_note(self.demo, model), *self._view(request, values)
            except GutCheckError as error:
                return "", *self._problem(error)

        return change_model

    def segment(self) -> Handler:
        """Segment what is open."""
        import gradio as gr

        def segment(request: gr.Request, bar: Any = gr.Progress(), model: str = "", *values: Any) -> tuple[Any, ...]:  # noqa: B008
            def tell(done: int, total: int, what: str) -> None:
                if total > 1:
                    bar((done, total), desc=what, unit="slices")

            try:
                self.demo.segment(_tab(request), model, tell)
            except GutCheckError as error:
                raise self._error(error) from error
            return self._view(request, values)

        return segment

    def show(self) -> Handler:
        """Show another slice, other organs, another opacity; nothing is predicted."""
        import gradio as gr

        def show(request: gr.Request, *values: Any) -> tuple[Any, ...]:
            return self._view(request, values)

        return show

    def download(self, kind: DownloadKind) -> Handler:
        """A file of the result, as JSON of its name and data address."""
        import gradio as gr

        def download(request: gr.Request, *values: Any) -> str:
            try:
                made = self.demo.download(_tab(request), kind, read_wish(values))
            except GutCheckError as error:
                raise self._error(error) from error
            return json.dumps([made.name, made.url])

        return download

    def forget(self) -> Handler:
        """When the tab is closed: drop what it has uploaded."""
        import gradio as gr

        def forget(request: gr.Request) -> None:
            self.demo.desk.clear(_tab(request))

        return forget
