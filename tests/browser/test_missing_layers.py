"""A pane whose label map is not there shows the prediction, or says why it shows less; it never just looks empty."""

import re
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from core.data.images import volume_window
from core.imaging.overlay import blend
from core.runs.registry import Evaluation
from tests.browser.small_workspace import DEPTH, FIRST_SLICE, HEIGHT, SCANS, WIDTH
from tests.browser.test_viewer_in_browser import open_viewer, part, shown
from tests.browser.test_viewer_views import composed, volumes

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lost", ["correction-axial", "other-axial", "other-axial~other:gone/small-valid"])
def test_a_link_to_what_is_not_here_shows_the_prediction(page: Page, server: str, evaluation: Evaluation, lost: str) -> None:
    open_viewer(page, server, f"slice=9&others=1&view={quote('panes:reference-axial.' + lost)}")
    expect(part(page, "content-1")).to_have_value("prediction")
    expect(part(page, "note-1")).to_be_hidden()
    expect(part(page, "pane-1")).to_have_attribute("aria-label", re.compile("^Prediction: slice 9, stomach"))
    image, _, prediction = volumes(evaluation)
    z = 9 - FIRST_SLICE
    wanted = blend(volume_window(image).apply(image)[z], prediction[z], opacity=0.45, organs=(1, 2, 3))
    np.testing.assert_array_equal(composed(page, 1, (HEIGHT, WIDTH)), wanted)
    # The next scan is not sent there again.
    expect(page.get_by_text(re.compile(r"ViewerState\(slice_number=9, link='(?!panes)"))).to_be_visible()


def test_a_pane_says_that_another_run_is_loading_and_why_it_did_not_come(page: Page, server: str) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**part=labels", hold)
    with page.expect_request("**part=labels"):
        open_viewer(page, server, f"slice=9&others=1&view={quote('panes:reference-axial.other-axial~other:again/same')}")
    note = part(page, "note-1")
    expect(note).to_have_text("Run again is loading…")
    waiting.pop().fulfill(status=500, body="The disk is full.")
    expect(note).to_have_text("Run again is not shown. The disk is full.")
    part(page, "content-1").select_option("prediction")
    expect(note).to_be_hidden()
    page.unroute("**part=labels")
    part(page, "content-1").select_option(label="Run again")
    page.wait_for_function("(root) => root.gutcheck.layers.has('other')", arg=part(page, "root").element_handle())
    expect(note).to_be_hidden()
    expect(part(page, "content-1")).to_have_value("other:again/same")


def test_what_is_switched_off_is_said_in_the_pane_also_of_the_next_scan(page: Page, server: str) -> None:
    open_viewer(page, server)
    page.keyboard.press("1")
    expect(part(page, "note-1")).to_have_text("Hidden: stomach")
    expect(page.get_by_text("link='organs:23'")).to_be_visible()
    other_scan(page)
    expect(part(page, "note-1")).to_have_text("Hidden: stomach")
    page.keyboard.press(" ")
    expect(part(page, "note-0")).to_have_text("Overlay hidden")
    page.keyboard.press("1")
    expect(part(page, "note-1")).to_be_hidden()


def test_what_was_read_off_a_scan_goes_with_it(page: Page, server: str) -> None:
    open_viewer(page, server)
    box = part(page, "pane-1").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(part(page, "readout")).to_contain_text("prediction")
    other_scan(page)
    expect(part(page, "readout")).to_have_text("")


def test_a_place_beyond_the_scan_is_brought_back_into_it(page: Page, server: str) -> None:
    open_viewer(page, server, f"slice=9999&view={quote('zoom:200~cross:on~at:9999.9999~centre:9999.-9999.9999')}")
    assert shown(page) == (FIRST_SLICE + DEPTH - 1,) * 2
    view = part(page, "root").evaluate("(root) => ({ at: root.gutcheck.view.at, centre: root.gutcheck.view.centre })")
    assert view == {"at": {"x": WIDTH - 1, "y": HEIGHT - 1, "z": DEPTH - 1}, "centre": {"x": WIDTH, "y": 0, "z": DEPTH}}


def test_the_pictures_stay_where_they_are_when_their_legend_appears(page: Page, server: str) -> None:
    open_viewer(page, server)
    part(page, "layout").select_option("planes")
    shown(page)
    height = "(root) => root.style.getPropertyValue('--pane-height')"
    before = part(page, "root").evaluate(height)
    part(page, "root").evaluate("(root) => root.gutcheck.layOut()")  # as at any rerun
    assert part(page, "root").evaluate(height) == before


def other_scan(page: Page) -> None:
    """The page turns to the other scan, with the pointer where it is."""
    page.get_by_role("button", name="Other scan").evaluate("(button) => button.click()")
    page.wait_for_function(
        f"(root) => root.dataset.state === 'ready' && root.gutcheck.data.url.includes('{SCANS[1]}')",
        arg=part(page, "root").element_handle(),
    )
