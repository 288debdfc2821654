"""A self-contained HTML page: text, tables, pictures and Plotly figures in one file that works without a network.

Jinja2 escapes every text; only what the functions here return (`Markup`) is taken as HTML. The page's content security policy
allows no request at all and runs no script but the page's own, which is there only where a figure is.
"""

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from core.data.images import encode_png

if TYPE_CHECKING:
    import plotly.graph_objects as go

NOT_A_DEVICE = "Not a medical device. For research and quality review only."
UNDEFINED = "–"
_GRID = "rgba(128,128,128,0.25)"


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Markup]


def html_page(title: str, sections: Sequence[Section], *, badge: str | None = None, subtitle: str = "") -> str:
    """The page, as one HTML document.

    Args:
        badge: text of the leak badge (`LeakBadge.text`); give it wherever the page shows a score.
        subtitle: one line below the title, such as the run and the evaluation.
    """
    parts = [part for section in sections for part in section.parts]
    scripts = _scripts() if any('class="figure"' in part for part in parts) else ""
    nonce = hashlib.sha256("".join([title, *parts]).encode("utf-8", "replace")).hexdigest()[:32]
    return str(
        _template("page.html").render(
            title=title,
            subtitle=subtitle,
            badge=badge,
            badge_kind=(badge or "").partition(" ")[0],
            sections=sections,
            style=Markup(_asset("page.css")),
            scripts=Markup(scripts),
            nonce=nonce,
            notice=NOT_A_DEVICE,
        )
    )


def paragraph(text: str, *, quiet: bool = False) -> Markup:
    """A paragraph of plain text; line breaks are kept.

    Args:
        quiet: set it smaller and grey, as a note.
    """
    return Markup('<p class="{}">{}</p>').format("quiet" if quiet else "text", text)


def facts(pairs: Mapping[str, object]) -> Markup:
    """Short values with their names, side by side."""
    items = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, _cell(value, None)) for name, value in pairs.items())
    return Markup('<dl class="facts">{}</dl>').format(Markup("").join(items))


def table(rows: pd.DataFrame, *, formats: Mapping[str, str] | None = None) -> Markup:
    """A table; column names are the headings, numbers are right-aligned, missing values are a dash.

    Args:
        formats: how to write a column's numbers, such as ``{"Dice": ".3f"}``; by default whole numbers as they are and others
            with three decimals.
    """
    known = formats or {}
    numeric = {name: pd.api.types.is_numeric_dtype(rows[name]) and rows[name].dtype != bool for name in rows.columns}
    body = [
        [(_cell(value, known.get(str(name))), numeric[name]) for name, value in zip(rows.columns, row, strict=True)]
        for row in rows.itertuples(index=False, name=None)
    ]
    heads = [(str(name), numeric[name]) for name in rows.columns]
    return Markup(_template("table.html").render(heads=heads, body=body))


def picture(pixels: NDArray[np.uint8], *, caption: str, width: int | None = None) -> Markup:
    """A picture inside the page, with its caption.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        width: in CSS pixels; by default the picture's own, and never wider than the page.
    """
    uri = "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()
    form = '<figure class="picture"><img src="{}" alt="{}" width="{}"><figcaption>{}</figcaption></figure>'
    return Markup(form).format(uri, caption, width or pixels.shape[1], caption)


def gallery(pictures: Iterable[Markup]) -> Markup:
    """Pictures side by side, wrapping at the page's edge."""
    return Markup('<div class="gallery">{}</div>').format(Markup("").join(pictures))


def figure(drawn: "go.Figure", *, caption: str = "", height: int = 380) -> Markup:
    """A Plotly figure, drawn in the browser by the copy of Plotly that the page carries (5 MB, once a page).

    Args:
        height: in CSS pixels.
    """
    # Charts load Plotly, which takes a second; a report without a figure does not wait for it.
    from core.charts.style import as_typed

    shown = as_typed(drawn)
    shown.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=height, font={"family": "inherit"})
    shown.update_xaxes(gridcolor=_GRID, zerolinecolor=_GRID)
    shown.update_yaxes(gridcolor=_GRID, zerolinecolor=_GRID)
    # Plotly writes < as \u003c, so that no text in a figure can end the script element.
    content = Markup(shown.to_json())
    form = '<figure class="figure"><div style="height:{}px"></div><script type="application/json">{}</script>'
    return Markup(form + "<figcaption>{}</figcaption></figure>").format(height, content, caption)


def _cell(value: Any, form: str | None) -> str | Markup:
    if isinstance(value, Markup):
        return value
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return UNDEFINED
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating) or (form and isinstance(value, int | np.integer)):
        return format(value, form or ".3f")
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


@cache
def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _template(name: str) -> Any:
    return _environment().get_template(name)


def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@cache
def _scripts() -> str:
    from plotly.offline import get_plotlyjs

    return f"{get_plotlyjs()}\n{_asset('figures.js')}"
