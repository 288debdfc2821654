"""Gradio itself, imported late and mended where it would keep or fetch what it must not."""

import html
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import GutCheckError, ImageError
from dashboard.demo.looks import data_url
from dashboard.demo.received import RECEIVED
from dashboard.demo.routes import NO_ANSWER, log_without_values
from dashboard.web.access import reader_of


def load_gradio() -> Any:
    """Gradio, imported with its analytics off; takes seconds, hence not at the top."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio

    _give_each_upload_its_own_folder()
    return gradio


@cache
def _give_each_upload_its_own_folder() -> None:
    """Gradio names an upload's folder after the content, so that two people who send one picture share a file: whoever is
    served first would delete it under the other, and whoever has the picture could guess its address."""
    from gradio import route_utils

    class OwnUpload(route_utils.GradioUploadFile):  # type: ignore[misc]
        def __init__(self, file: Any, **options: Any) -> None:
            super().__init__(file, **options)
            self.sha = _FolderName(RECEIVED.folder_name(Path(file.name)))

    route_utils.GradioUploadFile = OwnUpload


class _FolderName:
    """Stands where Gradio keeps the hash of a file's content, after which it names the file's folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def update(self, content: bytes) -> None:
        """Nothing: the name says nothing of the content."""

    def hexdigest(self) -> str:
        """The name."""
        return self._name


def _derived(base: Any, **methods: Any) -> Any:
    """A widget's class with other methods. Made without Gradio's metaclass, which writes a .pyi file beside each class's source,
    and not by methods of one widget, since after an update Gradio makes another of the same class."""
    return type.__new__(type(base), base.__name__, (base,), {"__module__": base.__module__, **methods})


def blocks(gr: Any, **options: Any) -> Any:
    """A page whose functions get no file but those that the caller has sent, and whose failures put nobody's values in the log.

    Gradio opens, copies or fetches what any field of a request names, a text's included, before it asks the field. It asks
    whether the file was uploaded only after ``launch``, which a mounted page never sees.
    """

    async def process_api(
        self: Any, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, *rest: Any, **named: Any
    ) -> Any:
        try:
            function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
            check_files(inputs, [isinstance(each, gr.File) for each in function.inputs], _sender(request))
            return await gr.Blocks.process_api(self, block_fn, inputs, state, request, *rest, **named)
        except gr.Error:
            raise
        except GutCheckError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        except Exception as error:
            log_without_values(error)
            raise gr.Error(NO_ANSWER, print_exception=False) from None

    return _derived(gr.Blocks, process_api=process_api)(**options)


def check_files(inputs: Sequence[Any], takes_files: Sequence[bool], sender: str) -> None:
    """Refuse values that name a file which the sender has not uploaded, or name one where no file belongs.

    Args:
        inputs: the values of a request, as JSON.
        takes_files: of each field, whether files belong there.

    Raises:
        ImageError: such a value.
    """
    for position, value in enumerate(inputs):
        for path in _named_files(value):
            if position >= len(takes_files) or not takes_files[position]:
                raise ImageError("A file was sent where none belongs", todo="see gradio_api/info for what each value may be")
            RECEIVED.find(path, sender=sender)


def _named_files(value: Any) -> Iterator[Any]:
    """The path of everything in a value that Gradio could take for a file, however deep it lies."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if "path" in each:
                yield each["path"]
            waiting.extend(each.values())
        elif isinstance(each, list | tuple):
            waiting.extend(each)


def _sender(request: Any) -> str:
    first = request[0] if isinstance(request, list) and request else request
    return (reader_of(first.headers) if first else None) or ""


def file_input(gr: Any, **options: Any) -> Any:
    """A field for files that gives their paths, untouched: Gradio would copy them. `blocks` has checked whose they are."""

    async def untouched(self: Any, path: str | Path | None) -> str | None:
        return None if path is None else str(path)

    def paths(self: Any, payload: Any) -> list[Path]:
        return [Path(each.path) for each in _listed(payload)]

    return _derived(gr.File, preprocess=paths, async_move_resource_to_block_cache=untouched)(**options)


def picture(gr: Any, **options: Any) -> Any:
    """A picture that goes to the browser as a data address: Gradio would write it, somebody's slice, to its cache folder."""
    from gradio.data_classes import ImageData

    def inline(self: Any, pixels: NDArray[np.uint8] | None) -> Any:
        return None if pixels is None else ImageData(url=data_url(pixels))

    return _derived(gr.Image, postprocess=inline)(interactive=False, **options)


def _listed(payload: Any) -> list[Any]:
    if payload is None:
        return []
    return list(payload.root) if hasattr(payload, "root") else [payload]
