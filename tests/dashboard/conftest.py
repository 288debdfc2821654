"""What the tests of pages share: a small workspace, and a page of it without a browser."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test

from core.storage.workspace import ENVIRONMENT_VARIABLE
from dashboard.state import SERVER
from tests.dashboard.guarded_server import Running, guarded_server
from tests.patience import WAIT_S

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
TIMEOUT_S = int(WAIT_S)


@pytest.fixture(scope="session", autouse=True)
def _read_once() -> Iterator[None]:
    """`AppTest` reads the manifests of all packages and compiles the pages anew for each test: longer than most of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(app_test, "ScriptCache", cache(ScriptCache))
        yield


@pytest.fixture
def folder(small_copy: Path) -> Path:
    """A copy of the small workspace, for a test to write to."""
    return small_copy


@pytest.fixture(scope="session")
def running(small_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The dashboard's server with a login, on a workspace of its own; not to be changed."""
    workspace = shutil.copytree(small_original, tmp_path_factory.mktemp("guarded") / "workspace")
    with guarded_server(workspace) as server:
        yield server


@pytest.fixture(autouse=True)
def _own_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(SERVER, "is_serving", True)
    monkeypatch.setattr(SERVER, "demo", None)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch):
    def start(folder: Path, page: str = "cases", **query: str) -> AppTest:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
        app = AppTest.from_file(APP, default_timeout=TIMEOUT_S)
        app.query_params.update(query)
        app.run()
        if page != "cases":
            app.switch_page(f"views/{page}.py")
            app.query_params.update(query)
            app.run()
        assert not app.exception
        return app

    return start
