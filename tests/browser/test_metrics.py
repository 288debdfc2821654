"""The pages of scores in a real browser: clicks on marks, saved pictures, and the mailed report without a network."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from core.charts.mistakes import confusion
from core.charts.scores import by_patient, with_worst_slice
from core.runs.registry import Evaluation
from tests.browser.conftest import served, settled
from tests.simulated_workspace import DATASET, simulated_workspace

pytestmark = pytest.mark.browser
NAME = f"{DATASET}-valid"
HERE = f"run=sim-2&evaluation={NAME}"
PLACE = """([chart, wanted]) => {
  const graph = document.querySelectorAll(".js-plotly-plot")[chart];
  if (!graph?._fullData) return null;
  for (const trace of graph._fullData) {
    const at = (trace.customdata || []).findIndex((mark) => wanted.every((value, i) => value === null || mark[i] === value));
    if (at < 0) continue;
    const x = graph._fullLayout[trace.xaxis.replace("x", "xaxis")], y = graph._fullLayout[trace.yaxis.replace("y", "yaxis")];
    const box = graph.getBoundingClientRect();
    return [box.left + x._offset + x.d2p(trace.x[at]), box.top + y._offset + y.d2p(trace.y[at])];
  }
  return null;
}"""


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> list[Evaluation]:
    return simulated_workspace(tmp_path_factory.mktemp("scores") / "workspace", scans=14)


@pytest.fixture(scope="module")
def dashboard(evaluations: list[Evaluation], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``python -m dashboard`` on that workspace."""
    log = tmp_path_factory.mktemp("dashboard") / "server.log"
    with served(evaluations[0].paths.root.parents[3], log) as running:
        yield running.address


@pytest.fixture
def visited(page: Page) -> list[dict[str, list[str]]]:
    """The queries of Review's addresses, as they come."""
    found: list[dict[str, list[str]]] = []

    def note(frame: object) -> None:
        parts = urlsplit(page.url)
        if parts.path == "/review":
            found.append(parse_qs(parts.query))

    page.on("framenavigated", note)
    return found


def click(page: Page, chart: int, carried: list[object]) -> None:
    """Click the mark that carries scan, slice and organ (``None``: whichever) in a chart of the page."""
    graph = page.locator(".js-plotly-plot").nth(chart)
    graph.wait_for()
    graph.scroll_into_view_if_needed()
    graph.locator(".plotly .main-svg").first.wait_for()
    # What comes in above a chart moves it, and out of sight.
    settled(page, PLACE, [chart, carried])
    graph.scroll_into_view_if_needed()
    x, y = settled(page, PLACE, [chart, carried])
    page.mouse.move(x, y)
    # A click counts on the mark that Plotly has found under the pointer.
    page.wait_for_function("(chart) => document.querySelectorAll('.js-plotly-plot')[chart]._hoverdata?.length > 0", arg=chart)
    page.mouse.click(x, y)


def opened(page: Page, visited: list[dict[str, list[str]]]) -> tuple[str, int, str]:
    """Scan, slice and organ of the address of Review that the click led to."""
    page.wait_for_url(re.compile("/review"))
    first = visited[0]
    return first["case"][0], int(first["slice"][0]), first["organ"][0]


def test_a_click_on_a_point_opens_its_scan_at_the_worst_slice(page: Page, dashboard: str, evaluations, visited) -> None:
    table = with_worst_slice(evaluations[1].scans(), evaluations[1].slices())
    row = table[(table["organ"] == "large_bowel") & table["dice"].between(0.1, 0.99)].sort_values("dice").iloc[0]
    page.goto(f"{dashboard}/metrics?{HERE}&section=organs")
    click(page, 0, [row["scan"], None, "large_bowel"])
    assert opened(page, visited) == (row["scan"], row["slice"], "large_bowel")


def test_a_click_on_a_heat_map_cell_opens_the_patient_s_worst_scan(page: Page, dashboard: str, evaluations, visited) -> None:
    table = by_patient(with_worst_slice(evaluations[1].scans(), evaluations[1].slices()))
    row = table[(table["organ"] == "small_bowel") & (table["scans"] > 1)].iloc[-1]
    page.goto(f"{dashboard}/metrics?{HERE}&section=organs")
    click(page, 2, [row["scan"], None, "small_bowel"])
    assert opened(page, visited) == (row["scan"], row["slice"], "small_bowel")


def test_a_click_on_a_confusion_cell_opens_the_scan_with_most_of_it(page: Page, dashboard: str, evaluations, visited) -> None:
    table = confusion(evaluations[1].scans(), evaluations[1].errors()).table
    row = table[(table["reference"] == "small_bowel") & (table["prediction"] == "large_bowel")].iloc[0]
    page.goto(f"{dashboard}/metrics?{HERE}&section=mistakes")
    click(page, 0, [row["scan"], int(row["slice"]), "small_bowel", row["amount"]])
    assert opened(page, visited) == (row["scan"], row["slice"], "small_bowel")


def test_a_click_on_a_scan_that_changed_opens_it_with_the_other_run(page: Page, dashboard: str, evaluations, visited) -> None:
    page.goto(f"{dashboard}/compare?{HERE}&other=sim-1/{NAME}")
    page.locator(".js-plotly-plot").nth(1).wait_for()
    scan = evaluations[1].scans()["scan"].iloc[0]
    click(page, 1, [scan, None, None])
    assert opened(page, visited)[0] == scan
    assert visited[0]["other"] == [f"sim-1/{NAME}"]
    assert visited[0]["run"] == ["sim-2"]


def test_the_camera_saves_svg_where_svg_is_chosen(page: Page, dashboard: str, tmp_path: Path) -> None:
    page.goto(f"{dashboard}/metrics?{HERE}&section=volumes")
    page.get_by_role("radio", name="SVG").or_(page.get_by_role("button", name="SVG")).first.click()
    graph = page.locator(".js-plotly-plot").first
    graph.locator(".plotly .main-svg").first.wait_for()
    # The chart has been told.
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?._context?.toImageButtonOptions?.format === 'svg'")
    graph.hover()
    with page.expect_download() as saved:
        graph.locator("[data-title^='Download']").first.click(force=True)
    saved.value.save_as(tmp_path / "chart.svg")
    assert saved.value.suggested_filename.endswith(".svg")
    assert "patient-clean" in (tmp_path / "chart.svg").read_text()


def test_the_mailed_report_opens_without_a_network(
    page: Page, dashboard: str, chromium: BrowserContext, evaluations, tmp_path: Path
) -> None:
    page.goto(f"{dashboard}/metrics?{HERE}")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Report as one HTML file").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    asked: list[str] = []
    errors: list[str] = []
    mail = chromium.new_page()

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_() if route.request.url == path.as_uri() else route.abort()

    mail.route("**/*", refuse)
    mail.on("pageerror", lambda error: errors.append(str(error)))
    mail.goto(path.as_uri())
    expect(mail.locator(".main-svg").first).to_be_visible()
    expect(mail.locator(".js-plotly-plot")).to_have_count(8)
    dice = f"{evaluations[1].summary['organs']['stomach']['dice']:.3f}"
    expect(mail.get_by_role("cell", name=re.compile(f"^{re.escape(dice)} ")).first).to_be_visible()
    expect(mail.get_by_text("patient-clean").first).to_be_visible()
    mail.close()
    assert (asked, errors) == ([path.as_uri()], [])
