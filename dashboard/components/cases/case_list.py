"""The worklist as a table: a page of scans, of which one row opens."""

from typing import Any

import pandas as pd
import streamlit as st

from core.labels import ORGANS
from dashboard import cached
from dashboard.components.common.badge import leak_badge, synthetic_badge
from dashboard.components.common.headline import DOTS, counted, partial_words
from dashboard.components.common.paging import page_of
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.row_table import row_table
from dashboard.components.common.text import escape_markdown

SCANS_A_PAGE = 100
PIXELS_OF_TABLE = 620


def score_line(view: ReaderView) -> None:
    """The evaluation's scores in one line beside the leak badge; a blind round shows none."""
    summary = view.evaluation.summary
    with st.container(horizontal=True, vertical_alignment="center", key="score_line"):
        if view.settings.blind:
            st.badge("blind round", icon=":material/visibility_off:", color="violet")
            st.caption(
                f"{escape_markdown(view.settings.name)}: scores and others' verdicts show once your own is in.", width="content"
            )
            return
        leak_badge(view.evaluation.badge)
        if summary["dataset"].get("synthetic"):
            synthetic_badge()
        what = f"{view.evaluation.extent}; scores are of volumes in 3D"
        values = [("All organs", "", summary["all_organs"]["dice"])]
        values += [(each.title, f":{DOTS[each.name]}[●] ", summary["organs"][each.name]["dice"]) for each in ORGANS]
        shown = [f"{dot}{title} **{'undefined' if dice is None else f'{dice:.3f}'}**" for title, dot, dice in values]
        st.markdown(f":small[Mean Dice: {' &nbsp; '.join(shown)}]", width="content", help=f"{what}. With intervals on *Metrics*.")


def case_list(view: ReaderView) -> str | None:
    """Show a page of the queue; return the scan whose row was clicked."""
    count = len(view.names)
    if not count:
        st.info("No case matches the filters; clear them to see all.", icon=":material/search_off:")
        return None
    partial = cached.partial_scans(view.evaluation)
    words = partial_words(len(partial), view.evaluation.summary["scan_count"])
    if count <= SCANS_A_PAGE:
        words = f"{counted(count, 'scan')}. A click on a row opens it, as does Enter; a click on a column's head sorts. {words}"
    if words:
        st.caption(words)
    first = page_of(count, SCANS_A_PAGE, "scans. A click on a row opens it.", key="case_page").start
    shown = view.worklist.rows(
        reader=view.reader, filter=view.queue.filter, order=view.queue.order, first=first, count=SCANS_A_PAGE
    )
    at_hand = {} if view.settings.blind else view.worklist.at_hand()
    shown = shown.assign(at_hand=[at_hand.get(scan, "") for scan in shown["scan"]], partial=shown["scan"].isin(partial))
    columns = _columns(shown, blind=view.settings.blind)
    row = row_table(
        shown,
        key="case_list",
        row_height=34,
        height=min(PIXELS_OF_TABLE, 34 * len(shown) + 38),
        column_order=list(columns),
        column_config=columns,
    )
    return None if row is None else str(shown.iloc[row]["scan"])


def _columns(shown: pd.DataFrame, *, blind: bool) -> dict[str, Any]:
    """Settings of the columns that say something here."""
    config = st.column_config
    wide: dict[str, Any] = {
        "patient": config.TextColumn("Patient", pinned=True),
        "scan": config.TextColumn("Scan", pinned=True),
        "state": config.TextColumn("Review"),
        "readers": config.TextColumn("Judged by"),
        "at_hand": config.TextColumn("In review by", help="Who has the scan open now."),
        "mean_dice": config.NumberColumn("Mean Dice", format="%.3f", help="Over the organs that have a score."),
    }
    for organ in ORGANS:
        wide[organ.name] = config.ProgressColumn(f"{organ.title}, Dice", min_value=0.0, max_value=1.0, format="%.3f")
    wide |= {
        "change": config.NumberColumn("Change", format="%.3f", help="How far the mean Dice moved against the other run."),
        "confidence": config.NumberColumn("Confidence", format="%.2f", help="Of the model, over what it drew."),
        "notes": config.TextColumn(
            "Notes", width=190, help="Missed organs, false alarms, absent organs. A Dice of 0 beside them counts."
        ),
        "leak": config.TextColumn("Leak", help="Whether the run was trained on this patient."),
        "disputed": config.CheckboxColumn("Disputed", help="The reference is known or said to be wrong."),
        "partial": config.CheckboxColumn("Partial", help="One slice, or gaps between slices: slice scores only."),
        "slices": config.NumberColumn("Slices", format="%d", width="small"),
    }
    empty = {name for name in ("readers", "at_hand", "notes") if not shown[name].astype(bool).any()}
    empty |= {name for name in ("mean_dice", *(o.name for o in ORGANS), "change", "confidence") if shown[name].isna().all()}
    always = set() if blind else {"mean_dice", *(organ.name for organ in ORGANS)}
    empty |= {"leak"} if shown["leak"].nunique() == 1 else set()  # the badge above says it of all
    empty |= {name for name in ("disputed", "partial") if not shown[name].any()}
    return {name: column for name, column in wide.items() if name not in empty - always}
