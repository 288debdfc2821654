"""The viewer's Python side: what is believed of the browser's reports, and its files."""

import posixpath
import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from dashboard.viewer import assets
from dashboard.viewer.component import Pick, ViewerState, has_worked, read_pick, read_state
from tests.dashboard.conftest import TIMEOUT_S

URL = "/gutcheck/scan/run/set-valid/case1_day0?v=1"
ASKED = ViewerState(7, "zoom:200")
LINK = "panes:both-axial.other-coronal~other:b0+1/uw_madison-valid~organs:13"
VIEW = {"url": URL, "jump": None, "slice": 42, "link": LINK}


def test_what_was_asked_stands_until_the_browser_reports() -> None:
    assert read_state(None, ASKED, url=URL) == ASKED


def test_a_report_about_this_scan_counts() -> None:
    assert read_state({"view": VIEW}, ASKED, url=URL) == ViewerState(42, LINK)


def test_the_slice_of_another_scan_does_not_count_but_its_display_does() -> None:
    assert read_state({"view": VIEW}, ASKED, url="/other") == ViewerState(7, LINK)


def test_the_slice_from_before_a_jump_does_not_count() -> None:
    assert read_state({"view": VIEW}, ASKED, url=URL, jump=1).slice_number == 7
    assert read_state({"view": VIEW | {"jump": 1}}, ASKED, url=URL, jump=1).slice_number == 42


@pytest.mark.parametrize(
    "view",
    [
        "text",
        [1],
        VIEW | {"slice": "42", "link": "<b>"},
        VIEW | {"slice": True, "link": None},
        VIEW | {"slice": None, "link": "a" * 401},
        VIEW | {"slice": 4.5, "link": "zoom:200\n"},
    ],
)
def test_nonsense_from_the_browser_is_not_believed(view: object) -> None:
    assert read_state({"view": view}, ASKED, url=URL) == ASKED


def test_the_usual_view_has_an_empty_link() -> None:
    assert read_state({"view": VIEW | {"link": ""}}, ASKED, url=URL).link == ""


def test_a_click_is_a_place() -> None:
    pick = {"url": URL, "slice": 42, "x": 3, "y": 0}
    assert read_pick({"pick": pick}, URL) == Pick(42, 3, 0)


@pytest.mark.parametrize("change", [{"x": -1}, {"y": 1.5}, {"slice": None}, {"url": "/other"}])
def test_a_click_elsewhere_is_none(change: dict[str, object]) -> None:
    pick = {"url": URL, "slice": 42, "x": 3, "y": 0} | change
    assert read_pick({"pick": pick}, URL) is None


def test_the_page_mounts_the_viewer() -> None:
    def page() -> None:
        import streamlit as st

        from dashboard.viewer.component import viewer

        st.text(viewer(url="/scan", slice_number=3, key="viewer"))

    app = AppTest.from_function(page).run(timeout=TIMEOUT_S)
    assert not app.exception
    assert len(app.get("bidi_component")) == 1
    assert "slice_number=3" in app.text[0].value


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=assets.module_routes()))


def test_every_module_that_is_imported_is_served_for_good(client: TestClient) -> None:
    for name, source in assets.modules().items():
        answer = client.get(f"{assets.PREFIX}/{assets.digest()}/{name}")
        assert answer.content == source
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        imported = re.findall(r'from "([./\w]+\.js)"', source.decode())
        assert {posixpath.normpath(posixpath.join(posixpath.dirname(name), each)) for each in imported} <= assets.modules().keys()


@pytest.mark.parametrize("path", ["0000/viewer.js", "{digest}/viewer.html", "{digest}/__init__.py", "{digest}/..%2Fapp.py"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(f"{assets.PREFIX}/{path.format(digest=assets.digest())}").status_code == 404


def test_the_entry_names_this_version() -> None:
    assert f"{assets.PREFIX}/{assets.digest()}/viewer.js" in assets.entry()


def test_the_html_has_every_part_that_the_scripts_ask_for() -> None:
    html = assets.read_text("viewer.html")
    source = b"".join(source for name, source in assets.modules().items() if "/" not in name).decode()
    asked = set(re.findall(r'part\("([\w-]+)"\)(?!\?)', source))
    assert asked <= set(re.findall(r'data-part="([\w-]+)"', html))
    assert 'id="root"' not in html


@pytest.mark.parametrize(
    ("view", "worked"),
    [({"url": "/a", "worked": 1}, True), ({"url": "/a", "worked": 0}, False), ({"url": "/b", "worked": 1}, False)]
    + [({"url": "/a", "worked": odd}, False) for odd in (True, "1", None, -1)]
    + [(None, False), ({}, False)],
)
def test_only_work_on_this_scan_is_work(view: object, worked: bool) -> None:
    assert has_worked({"view": view}, "/a") is worked
