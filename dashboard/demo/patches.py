"""Gradio itself, imported late and mended where it would keep or fetch what it must not.

``tests/dashboard/demo/test_patches.py`` fails for each of these once Gradio no longer needs it.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import GutCheckError
from dashboard.demo.looks import data_url
from dashboard.demo.received import RECEIVED, check_files
from dashboard.demo.results import error_html
from dashboard.demo.routes import NO_ANSWER, log_without_values
from dashboard.web.access import reader_of


def load_gradio() -> Any:
    """Gradio, imported with its analytics off and its uploads in a private folder; takes seconds, hence not at the top."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    private_folder()
    import gradio

    _give_each_upload_its_own_folder()
    return gradio


def private_folder() -> Path:
    """Where Gradio keeps uploads: a folder that only this user can read and that goes when the process ends.

    Gradio's own default is a folder that everybody on the machine can read and that outlives the server.
    """
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="gutcheck-demo-")
        os.environ["GRADIO_TEMP_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Without links in it: an upload's path must lead to itself.
    folder = os.environ["GRADIO_TEMP_DIR"] = str(Path(os.environ["GRADIO_TEMP_DIR"]).resolve())
    return Path(folder)


@contextmanager
def past_the_proxy(host: str) -> Iterator[None]:
    """While Gradio launches it asks its own server whether it is up; a hospital's web proxy cannot answer that."""
    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = ",".join(filter(None, [before, "localhost", host]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["NO_PROXY"]
        else:
            os.environ["NO_PROXY"] = before


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
            check_files(inputs, [isinstance(field, gr.File) for field in function.inputs], _sender(request))
            return await gr.Blocks.process_api(self, block_fn, inputs, state, request, *rest, **named)
        except gr.Error:
            raise
        except GutCheckError as error:
            raise gr.Error(error_html(error), print_exception=False) from None
        except Exception as error:
            log_without_values(error)
            raise gr.Error(NO_ANSWER, print_exception=False) from None

    return _derived(gr.Blocks, process_api=process_api)(**options)


def _sender(request: Any) -> str:
    first = request[0] if isinstance(request, list) and request else request
    return (reader_of(first.headers) if first else None) or ""


def file_input(gr: Any, **options: Any) -> Any:
    """A field for files that gives their paths, untouched: Gradio would copy them. `blocks` has checked whose they are."""

    async def untouched(self: Any, path: str | Path | None) -> str | None:
        return None if path is None else str(path)

    def paths(self: Any, payload: Any) -> list[Path]:
        files = [] if payload is None else getattr(payload, "root", [payload])
        return [Path(file.path) for file in files]

    return _derived(gr.File, preprocess=paths, async_move_resource_to_block_cache=untouched)(**options)


def picture(gr: Any, **options: Any) -> Any:
    """A picture that goes to the browser as a data address: Gradio would write it, somebody's slice, to its cache folder."""
    from gradio.data_classes import ImageData

    def inline(self: Any, pixels: NDArray[np.uint8] | None) -> Any:
        return None if pixels is None else ImageData(url=data_url(pixels))

    return _derived(gr.Image, postprocess=inline)(interactive=False, **options)
