"""What files and people say is shown as it stands: no page draws Markdown, a link, a picture or markup of theirs."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.storage.csv_cells import csv_bytes
from dashboard.components.common.text import escape_links, escape_markdown
from tests.hostile_workspace import EVALUATION, FOREIGN, NAME, READER, RUN, TEXT, hostile_workspace

AS_IT_IS = {
    "dataframe",
    "arrow_data_frame",
    "selectbox",
    "multiselect",
    "text_input",
    "text_area",
    "text",
    "code",
    "bidi_component",
}
"""Elements that show a text as it is."""
PAGES = {
    "cases": [{}],
    "review": [{"case": NAME}, {}],
    "round_page": [{"section": section} for section in ("readers", "scores", "second", "out")],
    "metrics": [{"section": each} for each in ("overview", "organs", "where", "volumes", "confidence", "mistakes", "days")],
    "compare": [{"section": section, "other": f"sim-1/{EVALUATION}"} for section in ("difference", "runs", "settings")],
    "data": [{"section": section} for section in ("contents", "leaks", "references", "slices")],
    "training": [{"run": RUN}],
    "try_demo": [{}],
}
CASES = [(page, query) for page, queries in PAGES.items() for query in queries]
MARKDOWN = re.compile(r"(?<!\\)(!\[x|\[l\]|\[r\]|<img|<a |<b>|\$x|`c`)|:material/home:|:smile:")
FOUND_LATER = re.compile(rf"http://{re.escape(FOREIGN)}|www\.{re.escape(FOREIGN)}|@{re.escape(FOREIGN)}")
"""A backslash does not stop what becomes a link after Markdown is read."""
TAGS = re.compile(r"<(img|a |b>)")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile") / "workspace"
    hostile_workspace(root)
    return root


def _walk(node):  # type: ignore[no-untyped-def]
    if getattr(node, "proto", None) is not None:
        yield node
    for child in getattr(node, "children", {}).values():
        yield from _walk(child)


@pytest.mark.parametrize(("page", "query"), CASES, ids=[f"{page}-{query.get('section', '')}" for page, query in CASES])
def test_no_page_draws_what_a_text_asks_for(open_app, hostile: Path, page: str, query: dict[str, str]) -> None:
    app = open_app(hostile, page, **({"run": RUN, "evaluation": EVALUATION} | query))
    _nothing_drawn(app)


@pytest.mark.parametrize("page", ["cases", "review", "round_page", "metrics", "compare", "data", "training"])
def test_no_address_draws_what_it_asks_for(open_app, hostile: Path, page: str) -> None:
    names = ("run", "evaluation", "other", "case", "dataset", "section", "find", "show", "patient", "round", "order", "state")
    _nothing_drawn(open_app(hostile, page, **dict.fromkeys(names, TEXT)))


def _nothing_drawn(app: AppTest) -> None:
    assert not app.exception
    for each in _walk(app.main):
        if each.type == "plotly_chart":
            figure = json.dumps(json.loads(each.proto.spec), ensure_ascii=False)
            assert not TAGS.search(figure), TAGS.search(figure)
        elif each.type not in AS_IT_IS:
            text = str(each.proto).replace("\\\\", "\\")
            assert not MARKDOWN.search(text), (MARKDOWN.search(text), each.type, text[:1500])
            assert not FOUND_LATER.search(text.replace("\\", "")), (each.type, text[:1500])


def test_texts_read_as_they_were_typed() -> None:
    for made in (escape_markdown(TEXT), escape_links(TEXT)):
        assert made.replace("\\", "").replace("\N{WORD JOINER}", "") == TEXT
    assert escape_markdown("Dr. Ada") == "Dr\\. Ada"
    assert escape_markdown("1 -> 2").replace("\\", "") != "1 -> 2", "Streamlit would draw an arrow"


def test_a_table_as_csv_holds_no_formula() -> None:
    table = pd.DataFrame({"=head": ["=1+1", "-2.5", f"-cmd|{READER}"], "number": [-1.5, 2.0, 3.0]})
    table["kind"] = pd.Categorical(["@a", "\tb", "c"])
    text = csv_bytes(table).decode()
    assert text.splitlines()[0] == "'=head,number,kind"
    assert text.splitlines()[1] == "'=1+1,-1.5,'@a"
    assert text.splitlines()[2] == "-2.5,2.0,'\tb", "a number stays one, though it stands among texts"
    assert text.splitlines()[3].startswith("'-cmd|")
