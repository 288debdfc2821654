"""Correcting in a real browser: what is drawn is what is saved, and nothing that was drawn is lost."""

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from core.data.masks import read_label_volume
from core.reviews.corrections import MaskVersion, corrections_of, read_correction, subject_of
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from tests.browser.conftest import VIEWER, free_port, name_reader, new_context, served, settled, wait_for_reader, wait_for_scan
from tests.browser.small_workspace import DEPTH, FIRST_SLICE, HEIGHT, RUN, SCANS, WIDTH

pytestmark = pytest.mark.browser
SCAN, SLICE = SCANS[0], 9
Z = SLICE - FIRST_SLICE
ROW_MM, COLUMN_MM = 2.0, 1.0
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of this module's own."""
    return shutil.copytree(evaluation.paths.root.parents[3], tmp_path_factory.mktemp("correcting") / "workspace")


@pytest.fixture(scope="module")
def mine(folder: Path) -> Evaluation:
    return open_run(Workspace(folder).run(RUN).root).evaluation("small-valid")


@pytest.fixture(scope="module")
def base(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(folder, tmp_path_factory.mktemp("log") / "server.log") as running:
        yield running.address


@pytest.fixture
def page(chromium: BrowserContext, base: str, folder: Path) -> Iterator[Page]:
    """A tab of a browser that keeps no draft yet, over scans that nobody holds; it fails the test on an error in the page."""
    with closing(sqlite3.connect(Workspace(folder).reviews_db)) as database, suppress(sqlite3.OperationalError), database:
        database.execute("DELETE FROM leases")
    assert chromium.browser
    # A context of its own, and all its tabs closed after: a tab that a failed test left open would keep the drafts locked.
    with new_context(chromium.browser) as own:
        opened, errors = own.new_page(), []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
    assert errors == []


def part(page: Page, name: str):
    return page.locator(f"[data-part={name}]")


def tool(page: Page, name: str):
    return page.locator(f"[data-edit={name}]")


def open_scan(page: Page, base: str, scan: str = SCAN) -> None:
    page.goto(f"{base}/review?run={RUN}&evaluation=small-valid&case={scan}&slice={SLICE}")
    wait_for_scan(page, scan)
    part(page, "correct").wait_for()


def correction(page: Page) -> np.ndarray:
    """The label volume that the page holds, (Z, H, W) uint8."""
    flat = page.evaluate(f"() => [...({VIEWER}).scan.labels].map((packed) => packed >> 6)")
    return np.array(flat, np.uint8).reshape(DEPTH, HEIGHT, WIDTH)


def place(page: Page, x: int, y: int) -> tuple[float, float]:
    """Where a voxel's centre of the correction's pane lies on the page."""
    return tuple(
        page.evaluate(
            f"""([x, y]) => {{
              const pane = ({VIEWER}).panes.find((each) => each.content === "correction");
              const [left, top] = pane.toScreen(x + 0.5, y + 0.5);
              const area = pane.canvas.getBoundingClientRect();
              return [area.left + left / devicePixelRatio, area.top + top / devicePixelRatio];
            }}""",
            [x, y],
        )
    )


def draw(page: Page, *voxels: tuple[int, int]) -> None:
    """A stroke with the mouse, in few jumps, as a quick hand does."""
    page.mouse.move(*place(page, *voxels[0]))
    page.mouse.down()
    for voxel in voxels[1:]:
        page.mouse.move(*place(page, *voxel))
    page.mouse.up()


def correct(page: Page, *, organ: int = 3, diameter: int = 6) -> None:
    part(page, "correct").click()
    expect(part(page, "edit")).to_be_visible()
    tool(page, "organs").locator(f"[data-organ='{organ}']").click()
    page.evaluate(f"(diameter) => ({VIEWER}).editing.set({{ diameter }})", diameter)
    # The row of tools comes in above the panes, and moves them.
    settled(page, f"() => ({VIEWER}).panes.map((each) => each.canvas.getBoundingClientRect().toJSON())")


def swept(voxels: list[tuple[int, int]], diameter: float) -> np.ndarray:
    """Voxels within half the diameter (mm) of the stroke, by brute force over points close together; (H, W) bool."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for (x0, y0), (x1, y1) in pairwise(voxels):
        for share in np.linspace(0, 1, 2001):
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            mask |= ((columns - x) * COLUMN_MM) ** 2 + ((rows - y) * ROW_MM) ** 2 <= (diameter / 2) ** 2 + 1e-9
    return mask


def stored(folder: Path, mine: Evaluation, scan: str = SCAN) -> list[MaskVersion]:
    store = ReviewStore.open(Workspace(folder).reviews_db)
    try:
        assert store.verify() is None
        return corrections_of(store, subject_of(mine, scan))
    finally:
        store.close()


def test_a_stroke_drawn_with_the_mouse_arrives_in_the_saved_mask_exactly_and_is_there_when_it_is_opened_again(
    page: Page, base: str, folder: Path, mine: Evaluation
) -> None:
    open_scan(page, base)
    name_reader(page, "Dr. Ada")
    correct(page)
    path = [(10, 34), (30, 42), (52, 38)]
    draw(page, *path)
    tool(page, "organs").locator("[data-organ='1']").click()
    page.keyboard.press("d")
    draw(page, (14, 12), (14, 20))
    wanted = read_label_volume(mine.paths.mask(SCAN)).copy()
    wanted[Z][swept(path, 6)] = 3
    wanted[Z][swept([(14, 12), (14, 20)], 6)] = 0
    np.testing.assert_array_equal(correction(page), wanted)
    expect(tool(page, "state")).to_contain_text("Unsaved; kept here")
    page.keyboard.press("Control+s")
    expect(tool(page, "state")).to_contain_text("Saved")
    (version,) = stored(folder, mine)
    assert version.reader == "Dr. Ada"
    assert version.changed_voxels == np.count_nonzero(wanted != read_label_volume(mine.paths.mask(SCAN)))
    np.testing.assert_array_equal(read_correction(Workspace(folder), version.mask_sha256), wanted)
    expect(part(page, "correct")).to_have_text("Correct")
    open_scan(page, base)  # again, and the newest version is there
    page.wait_for_function(f"() => ({VIEWER})?.editing?.shown != null")
    np.testing.assert_array_equal(correction(page), wanted)
    part(page, "correct").click()
    expect(tool(page, "base")).to_contain_text(re.compile(r"Dr\. Ada, \d"))
    expect(tool(page, "base")).to_have_value(version.mask_sha256)


def test_a_reload_in_the_middle_loses_nothing(page: Page, base: str) -> None:
    open_scan(page, base, SCANS[1])
    correct(page)
    draw(page, (10, 34), (30, 42))
    page.keyboard.press("ArrowDown")
    draw(page, (20, 40), (40, 40))
    page.mouse.move(*place(page, 50, 6))
    page.mouse.down()
    page.mouse.move(*place(page, 60, 6))  # the button is still down
    before = correction(page)
    assert before[Z + 1, 6, 55] == 3
    page.reload()
    page.mouse.up()
    expect(tool(page, "note")).to_contain_text(re.compile(r"nsaved correction .*from .+ was restored\."))
    np.testing.assert_array_equal(correction(page), before)
    tool(page, "no").click()
    expect(tool(page, "note")).to_be_hidden()
    page.reload()
    tool(page, "yes").click()  # discard
    page.wait_for_function(f"() => ({VIEWER})?.editing?.isSaved")
    assert np.count_nonzero(correction(page) != before) > 0
    page.reload()
    wait_for_scan(page, SCANS[1])
    page.evaluate(f"async () => {{ await ({VIEWER}).editing.ready; }}")  # it has looked for a draft
    expect(tool(page, "note")).to_be_hidden()


def test_leaving_the_case_keeps_the_work_and_says_so(page: Page, base: str) -> None:
    open_scan(page, base)
    name_reader(page, "Dr. Bo")
    correct(page)
    draw(page, (5, 40), (25, 40))
    expect(part(page, "correct")).to_have_text("Correct (unsaved)")
    drawn = correction(page)
    page.locator(".st-key-next button:enabled, .st-key-previous button:enabled").first.click()
    expect(tool(page, "note")).to_contain_text("kept in this browser")
    open_scan(page, base)
    expect(tool(page, "note")).to_contain_text(re.compile("nsaved correction"))  # whose, as soon as the page knows the reader
    np.testing.assert_array_equal(correction(page), drawn)
    tool(page, "yes").click()


def test_two_tabs_never_write_over_each_other_s_draft(page: Page, base: str) -> None:
    open_scan(page, base, SCANS[1])
    correct(page)
    second = page.context.new_page()
    open_scan(second, base, SCANS[1])
    part(second, "correct").click()
    expect(tool(second, "note")).to_contain_text("is being corrected in another tab")
    expect(tool(second, "brush")).to_be_hidden()
    draw(page, (5, 40), (25, 40))
    drawn = correction(page)
    page.wait_for_function(f"() => ({VIEWER})?.editing?.draftedAt != null")
    page.goto("about:blank")
    part(second, "correct").click()
    expect(tool(second, "note")).to_contain_text("was restored")
    np.testing.assert_array_equal(correction(second), drawn)
    second.close()


def test_undo_and_redo_by_key_go_back_to_the_very_voxels(page: Page, base: str) -> None:
    open_scan(page, base, SCANS[1])
    correct(page, organ=2)
    states = [correction(page)]
    for row in (5, 20, 35):
        draw(page, (40, row), (60, row))
        states.append(correction(page))
    for wanted in reversed(states[:-1]):
        page.keyboard.press("Control+z")
        np.testing.assert_array_equal(correction(page), wanted)
    expect(part(page, "correct")).to_have_text("Correct")
    for wanted in states[1:]:
        page.keyboard.press("Control+Shift+Z")
        np.testing.assert_array_equal(correction(page), wanted)
    for _ in states[1:]:
        page.keyboard.press("Control+z")


def test_two_drawn_slices_are_joined_by_key(page: Page, base: str) -> None:
    open_scan(page, base, SCANS[1])
    correct(page, organ=1)
    tool(page, "base").select_option("empty")
    part(page, "root").focus()
    page.keyboard.press("Home")
    draw(page, (20, 20), (30, 20))
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    draw(page, (36, 20), (46, 20))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("i")
    drawn = correction(page) == 1
    areas = drawn.sum((1, 2))
    assert areas[0] == areas[4] > 0
    assert all(areas[1:4] > 0)
    columns = [np.flatnonzero(each[20]).mean() for each in drawn[:5]]
    assert columns == sorted(columns)  # it moves from the one to the other
    assert columns[2] == pytest.approx(33)
    page.keyboard.press("Control+z")
    assert not (correction(page)[1:4] == 1).any()


def test_a_killed_server_costs_nothing(page: Page, folder: Path, mine: Evaluation, tmp_path: Path) -> None:
    port, before = free_port(), len(stored(folder, mine, SCANS[1]))
    with served(folder, tmp_path / "first.log", port=port) as running:
        open_scan(page, running.address, SCANS[1])
        name_reader(page, "Dr. Cy")
        correct(page)
        draw(page, (5, 44), (25, 44))
        drawn = correction(page)
        running.process.kill()
        running.process.wait()
        page.keyboard.press("Control+s")
        expect(tool(page, "note")).to_contain_text("Not saved: The server does not answer")
        expect(tool(page, "note")).to_contain_text("kept in this browser")
    assert len(stored(folder, mine, SCANS[1])) == before
    with served(folder, tmp_path / "second.log", port=port) as running:
        open_scan(page, running.address, SCANS[1])
        name_reader(page, "Dr. Cy")
        expect(tool(page, "note")).to_contain_text("was restored")
        np.testing.assert_array_equal(correction(page), drawn)
        tool(page, "save").click()
        expect(tool(page, "state")).to_contain_text("Saved")
    version, *older = stored(folder, mine, SCANS[1])
    assert len(older) == before
    np.testing.assert_array_equal(read_correction(Workspace(folder), version.mask_sha256), drawn)


def test_signing_in_gives_the_reader_s_name_and_signing_out_takes_it(page: Page, folder: Path, tmp_path: Path) -> None:
    with served(folder, tmp_path / "server.log", password=PASSWORD) as running:
        page.goto(f"{running.address}/review?run={RUN}&evaluation=small-valid&case={SCAN}&slice={SLICE}")
        page.get_by_label("Name").fill("Dr. Zoë")
        page.get_by_label("Password").fill("wrong horse")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("That is not the password.")
        expect(page.get_by_label("Name")).to_have_value("Dr. Zoë")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        wait_for_scan(page, SCAN)
        assert f"case={SCAN}" in page.url
        expect(page.get_by_text("Dr. Zoë").first).to_be_visible()
        wait_for_reader(page, "Dr. Zoë")
        page.get_by_role("link", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.goto(f"{running.address}/")
        expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1440, 900)])
def test_while_one_corrects_panes_and_strip_fit_the_window_and_nothing_moves(
    page: Page, base: str, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_scan(page, base, SCANS[1])
    correct(page)
    canvas, strip, row = part(page, "pane-1"), part(page, "strip"), part(page, "edit")
    before = canvas.bounding_box()
    draw(page, (10, 34), (30, 42))
    expect(tool(page, "state")).to_contain_text("Unsaved")
    assert canvas.bounding_box() == before
    below = strip.bounding_box()
    assert below
    assert below["y"] + below["height"] <= height
    lines = {round(each.bounding_box()["y"]) for each in row.locator(":scope > .group").all()}
    assert len(lines) <= 2
    for name in ("Brush", "Eraser", "Fill", "Undo", "Redo"):
        expect(row.get_by_role("button", name=name, exact=True)).to_be_visible()
    for name in ("Stomach", "Small bowel", "Large bowel"):
        expect(row.get_by_role("radio", name=name, exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Control+z")


def test_the_viewer_stays_the_same_when_the_browser_tells_who_reads(page: Page, base: str) -> None:
    page.add_init_script("localStorage.setItem('gutcheck-reader', 'Dr. Eve')")
    page.route("**/gutcheck/viewer/**/viewer.js", counted_viewers)
    open_scan(page, base, SCANS[1])
    wait_for_reader(page, "Dr. Eve")
    page.wait_for_load_state("networkidle")  # no further module is on its way, nor a call that waits for one
    assert settled(page, f"() => [viewers, ({VIEWER})?.data?.edit?.reader]") == [1, "Dr. Eve"]


def counted_viewers(route: Route) -> None:
    """The module as it is, but counting what it makes; late, so that the name comes while it is still on its way.

    The delay is no wait: where it is too short the test shows less, and fails no more.
    """
    answer = route.fetch()
    counting = "super(); window.viewers = (window.viewers ?? 0) + 1;"
    time.sleep(1.5)
    route.fulfill(response=answer, body=answer.text().replace("super();", counting, 1))
