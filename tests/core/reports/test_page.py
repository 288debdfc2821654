"""The self-contained page: everything escaped, nothing fetched, no foreign script."""

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.reports.page import Section, facts, figure, gallery, html_page, paragraph, picture, table

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Elements(HTMLParser):
    """What a browser would make of a page: its elements, their attributes and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def body_of(html: str) -> str:
    return html[html.index("<body>") :]


def test_every_text_is_escaped_wherever_it_comes_in() -> None:
    pixels = np.zeros((16, 16), np.uint8)
    rows = pd.DataFrame({EVIL: [EVIL]})
    parts = [
        paragraph(EVIL),
        facts({EVIL: EVIL}),
        table(rows),
        picture(pixels, caption=EVIL),
        gallery([picture(pixels, caption="x")]),
    ]
    html = html_page(EVIL, [Section(EVIL, parts)], badge=EVIL, subtitle=EVIL)
    found = Elements()
    found.feed(html)
    assert "script" not in found.tags
    assert found.tags.count("img") == 2
    assert "onerror" not in found.attributes
    assert found.text.count(EVIL) == 12


def test_a_text_in_a_figure_ends_no_element() -> None:
    drawn = go.Figure(go.Scatter(x=[1], y=[2], name="</script><script>alert(1)</script>"))
    part = figure(drawn, caption=EVIL)
    assert part.count("<script") == 1
    assert part.count("</script>") == 1


def test_the_policy_lets_nothing_be_fetched_and_no_foreign_script_run() -> None:
    plain = html_page("t", [Section("s", [paragraph("x")])])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', plain)[1]
    assert policy == "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'"
    drawn = html_page("t", [Section("s", [figure(go.Figure())])])
    nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", drawn)[1]
    assert drawn.count("<script nonce=") == 1
    assert f'<script nonce="{nonce}">' in drawn


@pytest.mark.parametrize("parts", [[paragraph("x")], [picture(np.zeros((16, 16, 3), np.uint8), caption="c")]])
def test_nothing_refers_to_the_outside(parts) -> None:
    html = html_page("t", [Section("s", parts)], badge="patient-clean")
    assert re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?(?!data:|#)\w+:', html) == []
    assert "http" not in html.replace("http-equiv", "")


def test_plotly_is_carried_once_and_only_where_a_figure_is() -> None:
    assert len(html_page("t", [Section("s", [paragraph("x")])])) < 20_000
    two = html_page("t", [Section("s", [figure(go.Figure()), figure(go.Figure())])])
    assert two.count("plotly.js v") == 1


def test_the_badge_and_the_notice_are_always_there() -> None:
    html = body_of(html_page("t", [], badge="leaked (2 of 3 patients)"))
    assert html.count("Leak: leaked (2 of 3 patients)") == 2
    assert 'class="badge leaked"' in html
    assert html.count("Not a medical device.") == 2
    assert "Leak:" not in body_of(html_page("t", []))


def test_how_values_are_written() -> None:
    rows = pd.DataFrame(
        {"a": [0.12345, float("nan")], "n": [12000, 3], "ok": [True, False], "t": ["x", None], "i": pd.array([1, None], "Int64")}
    )
    cells = re.findall(r"<td( class=\"number\")?>([^<]*)</td>", table(rows, formats={"a": ".1f"}))
    assert [value for _, value in cells] == ["0.1", "12,000", "yes", "x", "1", "–", "3", "no", "–", "–"]
    assert [bool(number) for number, _ in cells[:5]] == [True, True, False, False, True]


def test_a_picture_survives() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    html = picture(pixels, caption="c")
    content = base64.b64decode(re.search(r"base64,([^\"]*)", html)[1])
    back = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(back[..., ::-1], pixels)
    assert 'width="30"' in html
