"""In a real browser, texts from files, addresses and people ask no other host for anything and make no link, picture or icon."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import served
from tests.hostile_workspace import EVALUATION, FOREIGN, FORMULA, NAME, RUN, TEXT, hostile_workspace

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000
HERE = f"run={RUN}&evaluation={EVALUATION}"
PAGES = {
    f"data?dataset={quote(TEXT, safe='')}&section=references": "The link names a data set that is not here",
    f"metrics?{HERE}": "How these numbers are made",
    f"metrics?{HERE}&section=organs": "A click on a mark opens its scan",
    f"compare?{HERE}&other={quote(TEXT, safe='')}": "The link names an evaluation that is not here",
    f"training?run={RUN}": "Describe…",
    f"review?{HERE}&case={quote(TEXT, safe='')}": "this is the queue's first instead",
}
MADE = f"""() => [
  ...[...document.querySelectorAll('a[href*="{FOREIGN}"], a[href$="/p"], img[src*="{FOREIGN}"], img[src$="/p"], .katex')]
    .map((each) => each.outerHTML),
  ...[...document.querySelectorAll('svg a')].map((each) => each.outerHTML),
]"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hostile")
    hostile_workspace(folder / "workspace")
    with served(folder / "workspace", folder / "server.log") as running:
        yield running.address


def test_no_text_makes_a_link_a_picture_or_a_request(page: Page, dashboard: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for address, shown in PAGES.items():
        page.goto(f"{dashboard}/{address}")
        expect(page.get_by_text(shown).first).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("[data-testid='stStatusWidget']")).to_have_count(0, timeout=PATIENCE_MS)
        assert page.evaluate(MADE) == [], address
        assert "🏠" not in page.inner_text("body")
        assert "😄" not in page.inner_text("body")
    own = urlsplit(dashboard).netloc
    assert {urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))} <= {own}


def test_a_tag_and_a_source_read_as_they_were_typed(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/training?run={RUN}")
    expect(page.get_by_text(NAME[:40].strip().partition(" <img")[0]).first).to_be_visible(timeout=PATIENCE_MS)
    page.goto(f"{dashboard}/data?section=references")
    line = page.get_by_text("Source: ").first
    expect(line).to_be_visible(timeout=PATIENCE_MS)
    assert TEXT in line.inner_text().replace("\N{WORD JOINER}", "")


def test_a_table_s_button_saves_no_formula(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?{HERE}&other=sim-1/{EVALUATION}&section=settings")
    button = page.get_by_role("button", name="Table as CSV").first
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    with page.expect_download(timeout=PATIENCE_MS) as saved:
        button.click()
    rows = saved.value.path().read_text().splitlines()
    assert rows[0] == "setting,a,b"
    assert f"note,not stated,'{FORMULA}" in rows
