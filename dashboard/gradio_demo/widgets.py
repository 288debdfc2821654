"""Gradio itself, imported late and mended where it would keep or fetch what it must not."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.gradio_demo.looks import data_url


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
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.sha.update(os.urandom(16))

    route_utils.GradioUploadFile = OwnUpload


def _derived(base: Any, **methods: Any) -> Any:
    """A widget's class with other methods. Made without Gradio's metaclass, which writes a .pyi file beside each class's source,
    and not by methods of one widget, since after an update Gradio makes another of the same class."""
    return type.__new__(type(base), base.__name__, (base,), {"__module__": base.__module__, **methods})


def file_input(gr: Any, **options: Any) -> Any:
    """A field for files that gives their paths, untouched: Gradio would copy them, and fetch what comes as an address."""

    async def only_here(self: Any, path: str | Path | None) -> str | None:
        if path is not None and "://" in str(path):
            raise gr.Error("Send the file itself, not its address.", print_exception=False)
        return None if path is None else str(path)

    def paths(self: Any, payload: Any) -> list[Path]:
        return [Path(each.path) for each in _listed(payload)]

    return _derived(gr.File, preprocess=paths, async_move_resource_to_block_cache=only_here)(**options)


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
