"""The viewer as a reader meets it: Debian's chromium, real key presses, real pixels."""

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from core.data.images import volume_window
from core.data.index import load_index
from core.data.masks import read_label_volume
from core.imaging.overlay import blend
from core.labels import ORGANS
from core.runs.registry import Evaluation
from dashboard.viewer import assets
from tests.browser.conftest import wait_for_scan, wait_in
from tests.browser.small_workspace import DEPTH, FIRST_SLICE, HEIGHT, SCANS, WIDTH

pytestmark = pytest.mark.browser
LAST_SLICE = FIRST_SLICE + DEPTH - 1
VIEWER_MODULE = f"{{server}}{assets.PREFIX}/{assets.digest()}/viewer.js"
ORGAN_IDS = {organ.name: organ.id for organ in ORGANS}


def open_viewer(page: Page, server: str, query: str = "slice=9") -> Locator:
    page.goto(f"{server}/?{query}")
    root = page.locator("[data-part=root][data-state=ready]")
    root.wait_for()
    expect(page.locator("[data-part=pane-0]")).to_have_attribute("data-slice", re.compile(r"\d+"))
    return root


def part(page: Page, name: str) -> Locator:
    return page.locator(f"[data-part={name}]")


def shown(page: Page) -> tuple[int, int]:
    """The slice numbers that the two panes were last painted with."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return tuple(int(part(page, name).get_attribute("data-slice") or -1) for name in ("pane-0", "pane-1"))


def expect_slices(page: Page, left: int, right: int) -> None:
    """Both panes come to show these, and in the same frame."""
    expect(part(page, "pane-0")).to_have_attribute("data-slice", str(left))
    expect(part(page, "pane-1")).to_have_attribute("data-slice", str(right))
    assert shown(page) == (left, right)


def runs(page: Page) -> int:
    """How often Python has built the page."""
    return int(re.search(r"run (\d+);", page.get_by_text(re.compile(r"run \d+;")).inner_text())[1])


def pictures(page: Page) -> np.ndarray:
    """Both composed slices, (2, H, W, 3) uint8."""
    shown(page)
    flat = part(page, "root").evaluate("(root) => root.gutcheck.shownPanes().map((pane) => [...pane.composed.data])")
    return np.array(flat, np.uint8).reshape(2, HEIGHT, WIDTH, 4)[..., :3]


def wanted(evaluation: Evaluation, number: int, *, opacity: float, organs: tuple[int, ...] = (1, 2, 3)) -> np.ndarray:
    """What core.imaging.overlay makes of that slice, (2, H, W, 3) uint8."""
    scan = load_index(evaluation.dataset_root).scan("valid", SCANS[0])
    volume = scan.read_image()
    image = volume_window(volume).apply(volume)[number - FIRST_SLICE]
    maps = scan.read_labels(), read_label_volume(evaluation.paths.mask(SCANS[0]))
    return np.stack([blend(image, labels[number - FIRST_SLICE], opacity=opacity, organs=organs) for labels in maps])


def test_the_first_picture_appears_and_says_what_it_is(page: Page, server: str) -> None:
    root = open_viewer(page, server)
    expect_slices(page, 9, 9)
    expect(part(page, "number")).to_have_value("9")
    expect(part(page, "place")).to_have_text(f"({9 - FIRST_SLICE + 1} of {DEPTH})")
    expect(part(page, "badge")).to_have_text("patient-clean")
    expect(part(page, "pane-0")).to_have_attribute("aria-label", "Reference: slice 9, stomach, small bowel, large bowel")
    expect(part(page, "pane-1")).to_have_attribute("aria-label", "Prediction: slice 9, stomach, small bowel")
    expect(root).to_be_focused()


def test_the_worst_slice_is_first_where_none_was_asked_for(page: Page, server: str) -> None:
    open_viewer(page, server, "")
    expect_slices(page, 10, 10)  # the largest organs among the slices that miss one


@pytest.mark.parametrize("opacity", [0.5, 0.25, 0.7])
def test_every_voxel_has_the_colour_that_core_gives_it(page: Page, server: str, evaluation: Evaluation, opacity: float) -> None:
    open_viewer(page, server)
    part(page, "root").evaluate("(root, opacity) => root.gutcheck.change({ opacity })", opacity)
    np.testing.assert_array_equal(pictures(page), wanted(evaluation, 9, opacity=opacity))


def test_the_screen_shows_the_composed_slice_at_its_physical_aspect(page: Page, server: str) -> None:
    open_viewer(page, server)
    # 48 rows of 2 mm by 64 columns of 1 mm are higher than wide.
    width, height = part(page, "root").evaluate("({ gutcheck: { panes: [{ pxU, pxV }] } }) => [64 * pxU, 48 * pxV]")
    assert width / height == pytest.approx(64 / 96)
    for x, y in ((10, 8), (30, 20), (50, 25), (2, 2)):
        on_screen, composed = part(page, "root").evaluate(
            """(root, [x, y]) => {
              const pane = root.gutcheck.panes[0];
              const [left, top] = pane.toScreen(x + 0.5, y + 0.5);
              return [[...pane.context.getImageData(left, top, 1, 1).data].slice(0, 3), pane.pixel(x, y)];
            }""",
            [x, y],
        )
        assert on_screen == composed


def test_quick_presses_all_count_and_the_panes_stay_together(page: Page, server: str) -> None:
    open_viewer(page, server, f"slice={FIRST_SLICE}")
    part(page, "root").evaluate(
        """(root) => {
          window.apart = 0;
          const watch = () => {
            const [left, right] = root.gutcheck.shownPanes().map((pane) => pane.canvas.dataset.slice);
            window.apart += left !== right;
            requestAnimationFrame(watch);
          };
          watch();
        }"""
    )
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    expect_slices(page, FIRST_SLICE + 7, FIRST_SLICE + 7)
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    expect_slices(page, LAST_SLICE, LAST_SLICE)
    assert page.evaluate("window.apart") == 0


@pytest.mark.parametrize(
    ("key", "slice_number"),
    [
        ("ArrowRight", 10),
        ("ArrowUp", 8),
        ("ArrowLeft", 8),
        ("PageDown", LAST_SLICE),
        ("PageUp", FIRST_SLICE),
        ("Home", FIRST_SLICE),
        ("End", LAST_SLICE),
        ("n", 10),
        ("p", 8),
    ],
)
def test_keys_scroll(page: Page, server: str, key: str, slice_number: int) -> None:
    open_viewer(page, server)
    page.keyboard.press(key)
    expect_slices(page, slice_number, slice_number)


def test_n_passes_over_slices_that_agree(page: Page, server: str) -> None:
    open_viewer(page, server, f"slice={FIRST_SLICE}")
    page.keyboard.press("n")
    # The first with organs, of which one is missed.
    expect(part(page, "pane-0")).to_have_attribute("data-slice", str(FIRST_SLICE + 2))
    page.keyboard.press("End")
    page.keyboard.press("n")
    expect(part(page, "pane-0")).to_have_attribute("data-slice", str(LAST_SLICE))
    expect(part(page, "live")).to_have_text("No further slice differs.")


def test_wheel_slider_number_box_and_strip_scroll(page: Page, server: str) -> None:
    open_viewer(page, server)
    part(page, "pane-1").hover()
    page.mouse.wheel(0, 120)
    expect_slices(page, 10, 10)
    part(page, "slider").fill("0")
    expect_slices(page, FIRST_SLICE, FIRST_SLICE)
    part(page, "number").fill("12")
    part(page, "number").press("Enter")
    expect_slices(page, 12, 12)
    box = part(page, "strip").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 5)
    expect_slices(page, LAST_SLICE, LAST_SLICE)


def test_organs_can_be_hidden_by_key_and_by_chip(page: Page, server: str, evaluation: Evaluation) -> None:
    open_viewer(page, server)
    page.keyboard.press("2")
    np.testing.assert_array_equal(pictures(page), wanted(evaluation, 9, opacity=0.45, organs=(1, 3)))
    expect(part(page, "chips").get_by_text("Small bowel")).to_have_attribute("aria-pressed", "false")
    part(page, "chips").get_by_text("Stomach").click()
    np.testing.assert_array_equal(pictures(page), wanted(evaluation, 9, opacity=0.45, organs=(3,)))


def test_space_blinks_even_after_a_click_on_a_button(page: Page, server: str, evaluation: Evaluation) -> None:
    open_viewer(page, server)
    part(page, "chips").get_by_text("Stomach").click()
    expect(part(page, "root")).to_be_focused()
    page.keyboard.press("Space")
    np.testing.assert_array_equal(pictures(page), wanted(evaluation, 9, opacity=0))
    page.keyboard.press("Space")
    np.testing.assert_array_equal(pictures(page), wanted(evaluation, 9, opacity=0.45, organs=(2, 3)))


def test_outlines_leave_the_voxels_grey(page: Page, server: str, evaluation: Evaluation) -> None:
    open_viewer(page, server)
    page.keyboard.press("f")
    np.testing.assert_array_equal(pictures(page), wanted(evaluation, 9, opacity=0))
    edge = part(page, "root").evaluate(
        "(root) => { const p = root.gutcheck.panes[0]; const [x, y] = p.toScreen(30, 10);"
        " return [...p.context.getImageData(x, y, 1, 1).data].slice(0, 3); }"
    )
    assert edge[1] > 200  # small bowel begins at row 10
    assert max(edge[0], edge[2]) < 60


def test_brackets_change_the_opacity(page: Page, server: str) -> None:
    open_viewer(page, server)
    page.keyboard.press("]")
    expect(part(page, "percent")).to_have_text("55 %")
    page.keyboard.press("[")
    page.keyboard.press("[")
    expect(part(page, "percent")).to_have_text("35 %")


def test_the_key_list_opens_and_keys_rest_while_it_is_open(page: Page, server: str) -> None:
    open_viewer(page, server)
    page.keyboard.press("?")
    expect(part(page, "dialog")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect_slices(page, 9, 9)
    page.keyboard.press("Escape")
    expect(part(page, "dialog")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect_slices(page, 10, 10)


def test_python_hears_where_the_reader_rests(page: Page, server: str) -> None:
    open_viewer(page, server)
    for key in ("ArrowDown", "ArrowDown", "1", "f"):
        page.keyboard.press(key)
    expect(page.get_by_text("slice_number=11, link='organs:23~style:contour'")).to_be_visible()


def test_a_rerun_neither_reloads_nor_moves(page: Page, server: str) -> None:
    requests: list[str] = []
    page.on("requestfinished", lambda request: requests.append(request.url) if "/gutcheck/scan/" in request.url else None)
    open_viewer(page, server)
    wait_in(page, lambda: len(requests) == len(SCANS))  # the next scan is fetched ahead
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Rerun").click()
    expect(page.get_by_text(re.compile("slice_number=10"))).to_be_visible()
    before = runs(page)
    page.get_by_role("button", name="Rerun").click()
    wait_in(page, lambda: runs(page) > before)
    expect_slices(page, 10, 10)
    assert len(requests) == len(SCANS)


def test_a_viewer_that_was_closed_and_mounted_again_answers_a_key_once(page: Page, server: str) -> None:
    open_viewer(page, server)
    part(page, "root").evaluate(
        """async (root, address) => {
          const { mount } = await import(address);
          const { data } = root.gutcheck;
          const component = { data, parentElement: root.getRootNode(), setStateValue() {}, setTriggerValue() {} };
          const [place, close] = [root.parentElement, mount(component)];
          root.remove();
          close();
          place.append(root);
          mount(component);
          while (!root.gutcheck.scan) await new Promise(requestAnimationFrame);
          root.focus();
        }""",
        VIEWER_MODULE.format(server=server),
    )
    page.keyboard.press("ArrowDown")
    expect_slices(page, 10, 10)


def test_a_call_that_comes_late_neither_counts_nor_closes_the_viewer(page: Page, server: str) -> None:
    open_viewer(page, server)
    kept, slice_number, scan = part(page, "root").evaluate(
        """async (root, address) => {
          const { mount } = await import(address);
          const viewer = root.gutcheck;
          const { data } = viewer;
          const late = { ...data, told: data.told - 1, slice: 5, jump: "earlier", url: "/gutcheck/scan/none/none/none" };
          mount({ data: late, parentElement: root.getRootNode(), setStateValue() {}, setTriggerValue() {} })();
          return [root.gutcheck === viewer, viewer.data.slice, viewer.data.url];
        }""",
        VIEWER_MODULE.format(server=server),
    )
    assert (kept, slice_number) == (True, 9)
    assert SCANS[0] in scan
    page.keyboard.press("ArrowDown")
    expect_slices(page, 10, 10)


@pytest.mark.parametrize(("organ", "slice_number"), [("stomach", 14), ("large_bowel", 10)])
def test_a_link_that_names_an_organ_opens_its_worst_slice_and_marks_its_row(
    page: Page, server: str, evaluation: Evaluation, organ: str, slice_number: int
) -> None:
    reference = load_index(evaluation.dataset_root).scan("valid", SCANS[0]).read_labels()
    prediction = read_label_volume(evaluation.paths.mask(SCANS[0]))
    differing = ((reference == ORGAN_IDS[organ]) != (prediction == ORGAN_IDS[organ])).sum((1, 2))
    assert differing.argmax() + FIRST_SLICE == slice_number
    open_viewer(page, server, f"organ={organ}")
    expect(part(page, "pane-0")).to_have_attribute("data-slice", str(slice_number))
    marked = part(page, "names").locator("[aria-current]")
    expect(marked).to_have_text(organ.replace("_", " ").capitalize())
    row = ORGAN_IDS[organ] - 1
    frame = part(page, "strip").evaluate(
        "(canvas, row) => [...canvas.getContext('2d').getImageData(1, row * 26 * devicePixelRatio, 1, 1).data].slice(0, 3)", row
    )
    assert min(frame) > 120


def test_python_can_send_the_reader_to_a_slice_again_and_again(page: Page, server: str) -> None:
    open_viewer(page, server)
    for _ in range(2):
        page.get_by_role("button", name="Jump to 7").click()
        expect(part(page, "pane-0")).to_have_attribute("data-slice", "7")
        page.keyboard.press("Tab")
        part(page, "root").press("End")
        expect(page.get_by_text(re.compile(f"slice_number={LAST_SLICE}"))).to_be_visible()


def test_the_next_scan_is_there_at_once_and_keeps_the_display(page: Page, server: str) -> None:
    fetched: list[str] = []
    page.on("requestfinished", lambda request: fetched.append(request.url) if SCANS[1] in request.url else None)
    open_viewer(page, server)
    page.keyboard.press("1")
    wait_in(page, lambda: len(fetched) > 0)
    expect(page.get_by_text(re.compile("link='organs:23'"))).to_be_visible()
    page.get_by_role("button", name="Other scan").click()
    expect(part(page, "chips").get_by_text("Stomach")).to_have_attribute("aria-pressed", "false")
    wait_for_scan(page, SCANS[1])
    expect_slices(page, 9, 9)


def test_a_click_picks_the_voxel_in_that_pane(page: Page, server: str) -> None:
    open_viewer(page, server)
    place = part(page, "root").evaluate(
        """(root) => {
          const pane = root.gutcheck.panes[1];
          const [left, top] = pane.toScreen(30.5, 20.5);
          const area = pane.canvas.getBoundingClientRect();
          return [area.left + left / devicePixelRatio, area.top + top / devicePixelRatio];
        }"""
    )
    page.mouse.click(*place)
    expect(page.get_by_text(re.compile(r"last pick Pick\(slice_number=9, x=30, y=20\)"))).to_be_visible()
    expect_slices(page, 9, 9)


def test_findings_are_drawn_on_their_slice_in_both_panes(page: Page, server: str) -> None:
    def rings(page: Page) -> list[bool]:
        """Whether each pane shows the small bowel's green where the ring's left edge would be."""
        shown(page)
        colours = part(page, "root").evaluate(
            """(root) => root.gutcheck.shownPanes().map((pane) => {
              const [x, y] = pane.toScreen(30.5, 20.5);
              return [...pane.context.getImageData(x - 8 * devicePixelRatio, y, 1, 1).data].slice(0, 3);
            })"""
        )
        return [green > 230 and max(red, blue) < 80 for red, green, blue in colours]

    open_viewer(page, server, "slice=9&findings=1")
    assert rings(page) == [True, True]
    page.keyboard.press("ArrowDown")
    assert rings(page) == [False, False]


def test_an_unknown_scan_shows_the_sentence_and_can_be_tried_again(page: Page, server: str) -> None:
    page.goto(f"{server}/?broken=1")
    expect(part(page, "message")).to_have_text("There is no such run: none; runs here: stub.")
    with page.expect_response("**/gutcheck/scan/**"):
        part(page, "retry").click()


def test_a_scan_that_arrives_damaged_says_so(page: Page, server: str) -> None:
    page.route("**/gutcheck/scan/**", lambda route: route.fulfill(body="<html>", content_type="application/octet-stream"))
    page.goto(server)
    expect(part(page, "message")).to_have_text("The scan arrived damaged; try again.")


def test_the_readers_comment_keeps_the_focus_and_its_letters(page: Page, server: str) -> None:
    open_viewer(page, server)
    comment = page.get_by_label("Comment")
    comment.click()
    comment.press_sequentially("n1 f?")
    expect(comment).to_have_value("n1 f?")
    expect_slices(page, 9, 9)


def test_narrow_pages_stack_the_panes(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 500, "height": 900})
    open_viewer(page, server)
    left, right = (part(page, name).bounding_box() for name in ("pane-0", "pane-1"))
    assert left
    assert right
    assert right["y"] >= left["y"] + left["height"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
