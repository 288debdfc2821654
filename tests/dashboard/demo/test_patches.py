"""Gradio as it comes, in each place where `dashboard.demo.patches` mends it: fails here once a patch is not needed any more."""

import asyncio
import gc
import importlib
import io
import os
import socket
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.demo import patches
from tests.core.data.readers.odd_files import grey
from tests.dashboard.asked_demo import file

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def gr(cache: Path) -> Any:
    return patches.load_gradio()


@pytest.fixture
def other_file(tmp_path: Path) -> Path:
    """A file that was not uploaded."""
    path = tmp_path / "other" / "other.txt"
    path.parent.mkdir()
    path.write_text("not an upload")
    return path


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright's loop may be running in this thread
        return elsewhere.submit(asyncio.run, coroutine).result()


def test_analytics_are_on_unless_the_environment_says_otherwise(gr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not gr.analytics.analytics_enabled()
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED")
    assert gr.analytics.analytics_enabled()


def test_uploads_lie_in_a_folder_that_everybody_knows(gr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    assert Path(gr.utils.get_upload_folder()) == Path(tempfile.gettempdir()).resolve() / "gradio"


def test_an_upload_s_folder_is_named_after_its_content(gr: Any, tmp_path: Path) -> None:
    own = gr.route_utils.GradioUploadFile
    gradios = next(base for base in own.__mro__ if base.__module__.startswith("gradio"))

    def names(kind: Any) -> set[str]:
        given = set()
        for part in ("a", "b"):
            content = io.BytesIO()
            content.name = str(tmp_path / part)
            sent = kind(content)
            sent.sha.update(b"the same picture")
            given.add(sent.sha.hexdigest())
        return given

    assert len(names(gradios)) == 1
    assert len(names(own)) == 2


def test_a_file_is_copied(gr: Any, cache: Path, other_file: Path) -> None:
    moved = [run(field.async_move_resource_to_block_cache(other_file)) for field in (gr.File(), patches.file_input(gr))]
    assert Path(moved[0]).is_relative_to(cache)
    assert moved[1] == str(other_file)


def test_a_picture_is_written_to_the_disk(gr: Any, cache: Path) -> None:
    assert Path(gr.Image().postprocess(grey()).path).is_relative_to(cache)
    before = list(cache.rglob("*"))
    inline = patches.picture(gr).postprocess(grey())
    assert (inline.path, inline.url[:22]) == (None, "data:image/png;base64,")
    assert list(cache.rglob("*")) == before


def test_a_field_for_text_copies_the_file_that_it_names(gr: Any, cache: Path, other_file: Path) -> None:
    async def built(kind: Any) -> None:
        with kind() as page:
            gr.Button().click(lambda text: None, gr.Textbox(), None)
        await page.process_api(next(iter(page.fns.values())), [file(other_file)])

    with pytest.raises(gr.Error, match="A file was sent where none belongs"):
        run(built(lambda: patches.blocks(gr)))
    assert list(cache.rglob("other.txt")) == []
    run(built(gr.Blocks))
    assert len(list(cache.rglob("other.txt"))) == 1


def test_a_class_statement_writes_a_file_beside_its_source(gr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_widget.py").write_text("import gradio as gr\n\n\nclass Own(gr.Textbox):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("own_widget")
    assert (tmp_path / "own_widget.pyi").exists()


def test_launching_asks_the_proxy_for_this_machine(gr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free.getsockname()[1]}")

    async def built() -> Any:  # in a loop: outside one Gradio makes loops of its own and closes none
        with gr.Blocks() as page:
            return page

    page = run(built())
    with pytest.raises(httpx.ConnectError):
        page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
    page.close(verbose=False)
    with patches.past_the_proxy("127.0.0.1"):
        page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
    page.close(verbose=False)
    assert "NO_PROXY" not in os.environ
    gc.collect()  # of the loops that a launch leaves: what is said of them belongs to this test
