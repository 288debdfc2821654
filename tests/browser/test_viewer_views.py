"""What else the viewer shows: error map, planes, window, zoom, rulers, layouts, a second run; and links that open the same."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.data.images import Window, volume_window
from core.data.index import load_index
from core.data.masks import read_label_volume
from core.imaging.overlay import ERROR_COLOURS
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace
from tests.browser.conftest import VIEWER, served, wait_for_scan
from tests.browser.small_workspace import FIRST_SLICE, HEIGHT, SCANS, WIDTH, unlabelled_dataset
from tests.browser.test_viewer_in_browser import expect_slices, open_viewer, part, shown
from tests.core.imaging.references import error_map

pytestmark = pytest.mark.browser
SPACING_MM = (3.0, 2.0, 1.0)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard whose workspace has scans without a reference, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    unlabelled_dataset(Workspace(folder / "workspace"))
    with served(folder / "workspace", folder / "server.log") as running:
        yield running.address


def composed(page: Page, pane: int, shape: tuple[int, int]) -> np.ndarray:
    """A pane's slice before scaling, (H, W, 3) uint8."""
    shown(page)
    flat = part(page, "root").evaluate("(root, i) => [...root.gutcheck.panes[i].composed.data]", pane)
    return np.array(flat, np.uint8).reshape(*shape, 4)[..., :3]


def volumes(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image as stored, reference and prediction of the first scan."""
    scan = load_index(evaluation.dataset_root).scan("valid", SCANS[0])
    return scan.read_image(), scan.read_labels(), read_label_volume(evaluation.paths.mask(SCANS[0]))


def point(page: Page, pane: int, u: float, v: float) -> tuple[float, float]:
    """Where a place of a pane's picture lies in the window."""
    x, y = part(page, "root").evaluate(
        """(root, [i, u, v]) => {
          const pane = root.gutcheck.panes[i];
          const [x, y] = pane.toScreen(u, v);
          const area = pane.canvas.getBoundingClientRect();
          return [area.left + x / pane.pixelRatio, area.top + y / pane.pixelRatio];
        }""",
        [pane, u, v],
    )
    return x, y


def place(page: Page, pane: int, x: float, y: float) -> tuple[float, float]:
    """Voxel coordinates of a pane's picture under a place in the window."""
    hit = part(page, "root").evaluate(
        "(root, [i, x, y]) => { const hit = root.gutcheck.panes[i].hitAt({clientX: x, clientY: y}); return [hit.u, hit.v]; }",
        [pane, x, y],
    )
    return hit[0], hit[1]


def error_picture(grey: np.ndarray, reference: np.ndarray, prediction: np.ndarray, organs: tuple[int, ...]) -> np.ndarray:
    """The error map's colours, at the viewer's opacity of 0.45, where either side shows one of the organs."""
    palette = np.array([(0, 0, 0), *(kind.rgb for kind in ERROR_COLOURS)], np.uint8)
    drawn = np.isin(reference, organs) | np.isin(prediction, organs)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    kinds = error_map(reference, prediction)[drawn]
    picture[drawn] = np.rint(0.55 * picture[drawn] + 0.45 * palette[kinds]).astype(np.uint8)
    return picture


def test_the_error_map_has_the_colours_of_core_in_every_plane(page: Page, server: str, evaluation: Evaluation) -> None:
    open_viewer(page, server, "slice=9&view=" + quote("panes:errors-axial.errors-coronal.errors-sagittal~organs:23~at:30.20"))
    image, reference, prediction = volumes(evaluation)
    grey, z = volume_window(image).apply(image), 9 - FIRST_SLICE
    for pane, cut in enumerate((np.s_[z], np.s_[:, 20], np.s_[:, :, 30])):
        wanted = error_picture(grey[cut], reference[cut], prediction[cut], (2, 3))
        np.testing.assert_array_equal(composed(page, pane, grey[cut].shape), wanted)
    expect(part(page, "kinds")).to_have_text("AgreementMissedExtraSwapped")


def test_planes_have_their_physical_aspect_and_share_the_cross_hair(page: Page, server: str) -> None:
    open_viewer(page, server, "slice=9")
    part(page, "layout").select_option("planes")
    shown(page)
    sizes = part(page, "root").evaluate("(root) => root.gutcheck.shownPanes().map((p) => [p.plane, p.pxU, p.pxV])")
    z, y, x = SPACING_MM
    ratios = {plane: across / down for plane, across, down in sizes}
    assert ratios == pytest.approx({"axial": x / y, "coronal": x / z, "sagittal": y / z})
    coronal = next(i for i, (plane, *_) in enumerate(sizes) if plane == "coronal")
    start, end = point(page, coronal, 20.5, 3.5), point(page, coronal, 12.5, 6.5)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=3)
    page.mouse.up()
    assert part(page, "root").evaluate("(root) => root.gutcheck.view.at") == {"x": 12, "y": HEIGHT // 2, "z": 6}
    expect(part(page, "number")).to_have_value(str(FIRST_SLICE + 6))
    page.keyboard.press("ArrowDown")  # the coronal pane was touched last
    assert part(page, "root").evaluate("(root) => root.gutcheck.view.at.y") == HEIGHT // 2 + 1
    page.keyboard.press("h")
    expect(part(page, "cross")).to_have_attribute("aria-pressed", "false")


def test_the_wheel_zooms_at_the_pointer_and_only_the_reset_takes_it_back(page: Page, server: str) -> None:
    open_viewer(page, server)
    at = point(page, 1, 50.0, 12.0)
    page.mouse.move(*at)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    expect(part(page, "reset")).not_to_have_text("100 %")
    shown(page)
    left, right = (part(page, name).bounding_box()["x"] for name in ("pane-0", "pane-1"))
    assert place(page, 1, *at) == pytest.approx((50.0, 12.0), abs=0.1)
    assert place(page, 0, at[0] - right + left, at[1]) == pytest.approx((50.0, 12.0), abs=0.1)
    zoomed = part(page, "reset").text_content()
    assert int(zoomed.removesuffix(" %")) > 130
    for key in ("ArrowDown", "1", "f", "l", "v"):
        page.keyboard.press(key)
    shown(page)
    expect(part(page, "reset")).to_have_text(zoomed)
    page.keyboard.press("0")
    expect(part(page, "reset")).to_have_text("100 %")


def test_a_drag_pans_and_pins_nothing(page: Page, server: str) -> None:
    open_viewer(page, server)
    start = point(page, 0, 30.0, 20.0)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 40, start[1] + 30, steps=4)
    page.mouse.up()
    shown(page)
    assert place(page, 0, start[0] + 40, start[1] + 30) == pytest.approx((30.0, 20.0), abs=0.1)
    expect(page.get_by_text("last pick None")).to_be_visible()


def test_a_right_drag_sets_the_window_of_the_full_depth(page: Page, server: str, evaluation: Evaluation) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "part=" in request.url else None)
    open_viewer(page, server, "slice=9&view=panes:image-axial")
    shown(page)
    assert asked == []
    start = point(page, 0, 30.0, 20.0)
    page.mouse.move(*start)
    page.mouse.down(button="right")
    with page.expect_response("**part=intensities"):
        page.mouse.move(start[0] - 100, start[1] + 50, steps=5)
    page.mouse.up(button="right")
    part(page, "root").evaluate("({ gutcheck }) => gutcheck.scan.asked")
    window = part(page, "root").evaluate("(root) => root.gutcheck.view.window")
    image = volumes(evaluation)[0]
    wanted = Window(window["low"], window["high"]).apply(image[9 - FIRST_SLICE])
    # The browser reckons in double precision, core in single: a tie may fall to the other side.
    assert np.abs(composed(page, 0, (HEIGHT, WIDTH))[..., 0].astype(int) - wanted).max() <= 1
    assert int(part(page, "width").input_value()) == round(window["high"] - window["low"])
    page.keyboard.press("9")
    assert part(page, "root").evaluate("(root) => root.gutcheck.view.window") is None
    own = volume_window(image).apply(image[9 - FIRST_SLICE])
    np.testing.assert_array_equal(composed(page, 0, (HEIGHT, WIDTH))[..., 0], own)


def test_a_ruler_reads_millimetres_and_is_no_click(page: Page, server: str) -> None:
    open_viewer(page, server)
    page.keyboard.press("r")
    page.mouse.move(*point(page, 0, 10.0, 10.0))
    page.mouse.down()
    page.mouse.move(*point(page, 0, 40.0, 30.0), steps=3)
    page.mouse.up()
    # 30 columns of 1 mm and 20 rows of 2 mm: the sides 30 and 40 of a right triangle.
    expect(part(page, "live")).to_have_text("Ruler: 50.0 mm")
    expect(page.get_by_text("last pick None")).to_be_visible()
    page.keyboard.press("Delete")
    assert part(page, "root").evaluate("(root) => root.gutcheck.ruler.lines.length") == 0


def test_the_pointer_reads_off_place_intensity_and_classes(page: Page, server: str, evaluation: Evaluation) -> None:
    open_viewer(page, server, "slice=9")
    page.mouse.move(*point(page, 0, 9.5, 8.5))
    image, _, _ = volumes(evaluation)
    own = volume_window(image)
    near = round(own.low + int(own.apply(image)[4, 8, 9]) / 255 * (own.high - own.low))
    expect(part(page, "readout")).to_have_text(
        f"x 9.0  y 16.0  z 12.0 mm · slice 9 · intensity ≈ {near} · reference stomach · prediction background · missed"
    )
    page.mouse.move(*point(page, 0, 15.5, 8.5))
    expect(part(page, "readout")).to_contain_text("prediction stomach · confidence 0.78 (stomach, this slice)")


def test_layouts_show_one_slice_in_every_pane_of_a_frame(page: Page, server: str) -> None:
    open_viewer(page, server, "slice=9")
    part(page, "root").evaluate(
        """(root) => {
          window.apart = 0;
          const watch = () => {
            const slices = root.gutcheck.shownPanes().map((pane) => pane.canvas.dataset.slice);
            window.apart += new Set(slices).size > 1;
            requestAnimationFrame(watch);
          };
          watch();
        }"""
    )
    counts = []
    for _ in range(3):
        for key in ("l", "ArrowDown", "ArrowDown", "ArrowUp"):
            page.keyboard.press(key)
        shown(page)
        counts.append(page.locator("figure:visible").count())
        if counts[-1] == 4:
            break
    assert counts == [3, 4]
    assert page.evaluate("window.apart") == 0


def test_a_link_opens_the_same_picture(page: Page, server: str) -> None:
    shows = "panes:both-axial.errors-coronal~organs:13~opacity:60~style:contour~cross:on"
    view = f"{shows}~window:20.180~zoom:200~centre:30.20.5~at:30.20"
    open_viewer(page, server, f"slice=11&view={quote(view)}")
    expect(page.get_by_text(f"slice_number=11, link='{view}'")).to_be_visible()
    seen = part(page, "root").evaluate("(root) => ({ ...root.gutcheck.view, organs: [...root.gutcheck.view.organs] })")
    assert seen["panes"] == [{"content": "both", "plane": "axial"}, {"content": "errors", "plane": "coronal"}]
    assert (seen["organs"], seen["opacity"], seen["mode"], seen["cross"]) == ([1, 3], 0.6, "contour", True)
    assert (seen["window"], seen["zoom"]) == ({"low": 20, "high": 180}, 2)
    assert (seen["at"], seen["centre"]) == ({"x": 30, "y": 20, "z": 6}, {"x": 30, "y": 20, "z": 5})


def test_a_link_that_makes_no_sense_opens_as_usual(page: Page, server: str) -> None:
    nonsense = "panes:x-y~zoom:1e9~window:9~organs:789~constructor:1~other:%00<b>~at:-5.99999"
    open_viewer(page, server, f"slice=9&view={quote(nonsense)}")
    expect_slices(page, 9, 9)
    expect(part(page, "reset")).to_have_text("100 %")


def test_a_second_run_stands_beside_the_first(page: Page, server: str) -> None:
    open_viewer(page, server, "slice=9&others=1")
    with page.expect_response("**part=labels"):
        part(page, "content-0").select_option(label="Run again")
    page.wait_for_function(f"() => ({VIEWER}).layers.has('other')")
    packed = np.array(part(page, "root").evaluate("(root) => [...root.gutcheck.scan.labels]"), np.uint8)
    assert packed.any()
    np.testing.assert_array_equal((packed >> 4) & 3, (packed >> 2) & 3)


def test_fingers_scroll_pinch_and_then_pan(page: Page, server: str) -> None:
    open_viewer(page, server, "slice=9")
    touch = page.context.new_cdp_session(page)
    box = part(page, "pane-0").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": across, "y": down, "id": i} for i, (across, down) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def stroke(*steps: list[tuple[float, float]]) -> None:
        fingers("touchStart", *steps[0])
        for step in steps[1:]:
            fingers("touchMove", *step)
        fingers("touchEnd")
        shown(page)

    stroke([(x, y)], [(x, y - 10)], [(x, y - 30)])
    expect_slices(page, 11, 11)
    stroke([(x - 20, y), (x + 20, y)], [(x - 30, y), (x + 30, y)], [(x - 40, y), (x + 40, y)])
    expect(part(page, "reset")).to_have_text("200 %")
    before = place(page, 0, x, y)
    stroke([(x, y)], [(x + 10, y)], [(x + 40, y + 20)])
    assert place(page, 0, x + 40, y + 20) == pytest.approx(before, abs=0.2)
    expect_slices(page, 11, 11)
    expect(page.get_by_text("last pick None")).to_be_visible()


def test_the_patients_sides_stand_at_the_pictures_edges(page: Page, bare: str) -> None:
    """Of each plane of an axial, a coronal and a sagittal stack, and nowhere where nobody knows; above, right, below, left."""
    hung = {"Axial": "ALPR", "Coronal": "HLFR", "Sagittal": "HPFA"}
    planes = {"case5_day0": ["Axial", "Coronal", "Sagittal"], "case5_day1": ["Coronal", "Axial", "Sagittal"]}
    planes |= {"case6_day0": ["Sagittal", "Axial", "Coronal"], "case7_day0": ["Slices", "Rows", "Columns"]}
    page.set_viewport_size({"width": 1024, "height": 768})
    for scan, titles in planes.items():
        view = quote("panes:reference-axial.reference-coronal.both-sagittal")
        page.goto(f"{bare}/review?dataset=open&scan={scan}&view={view}")
        wait_for_scan(page, scan)
        seen = [part(page, f"plane-{i}").evaluate("(select) => select.selectedOptions[0].text") for i in range(3)]
        assert seen == titles
        edges = [part(page, f"pane-{i}").get_attribute("data-edges") for i in range(3)]
        assert edges == [hung.get(title, "") for title in titles]
        assert [part(page, f"content-{i}").input_value() for i in range(3)] == ["image"] * 3  # there is nothing else to show
        expect(part(page, "chips")).to_be_hidden()
        expect(part(page, "strip")).to_be_hidden()
        sizes = [part(page, f"pane-{i}").evaluate("(canvas) => [canvas.width, canvas.height]") for i in range(3)]
        assert all(width > 100 and height > 100 for width, height in sizes)


def test_letters_are_painted_at_the_edges_and_nothing_else_changes(page: Page, bare: str) -> None:
    page.goto(f"{bare}/review?dataset=open&scan=case5_day0&view=panes:image-axial")
    wait_for_scan(page, "case5_day0")
    bright = """(canvas, [x, y]) => {
      const side = 24 * devicePixelRatio;
      const [left, top] = [x * (canvas.width - side), y * (canvas.height - side)];
      const { data } = canvas.getContext("2d").getImageData(left, top, side, side);
      return Math.max(...data.filter((_, i) => i % 4 === 0));
    }"""
    pane = part(page, "pane-0")
    for x, y in [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]:
        assert pane.evaluate(bright, [x, y]) == 255, (x, y)
    page.keyboard.press("b")  # nothing to correct, and no harm
    page.keyboard.press("n")
    page.keyboard.press("l")
    expect(part(page, "layout")).to_have_value("planes")


def test_a_bare_scan_follows_the_wheel_keeps_its_place_in_the_link_and_goes_to_its_neighbour(page: Page, bare: str) -> None:
    page.goto(f"{bare}/?section=unlabelled&dataset=open")
    page.get_by_text("4 scans of 3 patients without a reference").wait_for()
    page.goto(f"{bare}/review?dataset=open&scan=case5_day0&slice=8")
    wait_for_scan(page, "case5_day0")
    page.keyboard.press("ArrowDown")
    page.wait_for_url(re.compile(r"[?&]slice=9\b"))
    page.get_by_role("button", name="chevron_right").click()
    wait_for_scan(page, "case5_day1")
    page.wait_for_url(re.compile(r"[?&]scan=case5_day1\b"))
    page.reload()
    wait_for_scan(page, "case5_day1")
    page.get_by_role("link", name="All scans without a reference").click()
    page.get_by_text("4 scans of 3 patients without a reference").wait_for()
