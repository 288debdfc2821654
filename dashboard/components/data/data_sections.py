"""The sections of *Data*."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.charts.dataset_contents import organs_per_slice as organs_chart
from core.charts.dataset_contents import scans_overview, slices_of_organs
from core.charts.style import as_text
from core.data.index import UNLABELLED
from core.data.manifest import DatasetManifest
from core.data.statistics import (
    alike_scans,
    by_split,
    contested_scans,
    organs_per_slice,
    partial_scans,
    scan_overview,
    shared_patients,
    sizes_and_spacings,
    unreadable,
)
from core.data.survey import start_survey, survey_state
from core.evaluation.disputes import disputed_scans
from core.labels import ORGANS, TITLES
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.badge import leak_badge, synthetic_badge
from dashboard.components.common.charts import open_place, show_chart
from dashboard.components.common.headline import counted, partial_words
from dashboard.components.common.hidden_scores import may_see_scores
from dashboard.components.common.row_table import row_table
from dashboard.components.common.sections import csv_button, headings
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import link

SHOW_ORGANS = {0: "none", 1: "one", 2: "two", 3: "three"}


def what_it_is(manifest: DatasetManifest) -> None:
    """One line: source, licence, split."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if manifest.synthetic:
            synthetic_badge()
        if not manifest.stated:
            st.badge("no dataset.json", color="orange", help="Names, spacing and split are guessed; prepare it to state them.")
        words = {"Source": manifest.source, "Licence": manifest.licence, "Split": manifest.split}
        st.caption(" ".join(f"{word}: {escape_markdown(str(said))}." for word, said in words.items()))


def require_survey(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the survey saw; where there is none yet, begin it, show how far it is, and end the page."""
    state = survey_state(root)
    if state.state == "absent":
        start_survey(root)
    if state.state in ("absent", "running"):
        _progress(root)
        return st.stop()
    if state.state in ("failed", "outdated"):
        if state.state == "failed":
            st.error(escape_links(state.message), icon=":material/error:")
        else:
            st.warning("The data set has changed since its pictures were read.", icon=":material/update:")
        if st.button("Read the pictures again", icon=":material/refresh:", key="survey_again"):
            start_survey(root)
            st.rerun()
        if state.state == "failed":
            return st.stop()
    return cached.survey(root)


@st.fragment(run_every=1.0)
def _progress(root: Path) -> None:
    """Progress of the survey; draws the whole page again once it has ended."""
    state = survey_state(root)
    if state.state not in ("running", "absent"):
        st.rerun()
    st.subheader("Reading the data set", anchor=False)
    st.write(
        "Sizes, organs and likenesses are found in the background and kept beside the data set; a thousand slices take a few "
        "seconds. Other pages can be used meanwhile."
    )
    share = state.done / state.total if state.total else 0.0
    st.progress(
        share,
        text=escape_markdown(state.message) or (f"{state.done:,} of {state.total:,} slices" if state.total else "Starting."),
    )


def contents(name: str, manifest: DatasetManifest, table: pd.DataFrame) -> None:
    """Counts, organs per slice, scans, sizes and spacings."""
    counts = by_split(table)
    whole = counts.iloc[-1]
    _cards(whole, manifest)
    partial = partial_scans(table)
    if partial:
        st.caption(partial_words(len(partial), table["scan"].nunique()))
    names = {f"{organ.name}_slices": f"{organ.title}, slices" for organ in ORGANS}
    shown = counts.assign(empty_share=counts["empty_share"].map("{:.0%}".format, na_action="ignore"))
    shown = shown.rename(columns=names | {"empty_slices": "empty slices", "empty_share": "empty"})
    st.dataframe(shown, hide_index=True, key="by_split", column_config=headings(shown), placeholder="unknown")
    csv_button(counts, name=f"{name}-counts")
    if whole["empty_slices"] is not pd.NA:
        _charts(name, table, counts)
    else:
        st.info("No scan here has a reference, so nobody knows where the organs are.", icon=":material/image:")
    st.markdown("**Sizes and spacings** (pixels; millimetres along z, y, x)")
    sizes = sizes_and_spacings(table, manifest)
    st.dataframe(sizes, hide_index=True, key="sizes", column_config=headings(sizes))
    csv_button(sizes, name=f"{name}-sizes")
    broken = unreadable(table)
    if len(broken):
        st.error(f"{counted(len(broken), 'slice')} cannot be read.", icon=":material/broken_image:")
        st.dataframe(broken, hide_index=True, key="broken", column_config=headings(broken))


def _cards(whole: "pd.Series[Any]", manifest: DatasetManifest) -> None:
    cards = st.columns(5)
    cards[0].metric("Patients", f"{whole['patients']:,}", border=True)
    cards[1].metric("Scans", f"{whole['scans']:,}", border=True)
    cards[2].metric("Slices", f"{whole['slices']:,}", border=True)
    drawn = not pd.isna(whole["empty_slices"])
    cards[3].metric(
        f"Empty: {whole['empty_share']:.0%}" if drawn else "Empty",
        f"{whole['empty_slices']:,}" if drawn else "unknown",
        border=True,
        help="Slices that show no organ; those without a reference are not counted.",
    )
    cards[4].metric(
        "Overlapping labels",
        f"{manifest.contested_pixels:,}" if manifest.stated else "unknown",
        border=True,
        help="Pixels that more than one organ claimed in the source; the smaller organ got them.",
    )


def _charts(name: str, table: pd.DataFrame, counts: pd.DataFrame) -> None:
    left, right = st.columns(2)
    with left:
        carried = show_chart(
            organs_chart(organs_per_slice(table), source=as_text(name)), key="organs", name=f"{name}-organs-per-slice"
        )
        _show(name, carried and f"{carried[0]}:{SHOW_ORGANS[int(carried[1])]}")
    with right:
        carried = show_chart(slices_of_organs(counts, source=as_text(name)), key="of_organs", name=f"{name}-slices-of-organs")
        _show(name, carried and f"{carried[0]}:{carried[1]}")
    scans = scan_overview(table)
    carried = show_chart(scans_overview(scans, source=as_text(name)), key="scans", name=f"{name}-scans")
    _show(name, carried and f"{carried[0]}:any", find=carried and carried[1])
    csv_button(scans, name=f"{name}-scans")


def _show(name: str, show: Any, find: Any = None) -> None:
    """Go to the slices that a mark stands for."""
    if show:
        st.switch_page("views/data.py", query_params=link(dataset=name, section="slices", show=show, find=find))


def leaks(name: str, table: pd.DataFrame, alike: pd.DataFrame) -> None:
    """Patients on both sides of the split, and scans that look alike."""
    shared = shared_patients(table)
    patients = table["patient"].nunique()
    st.subheader("Patient leaks", anchor=False)
    if shared.empty:
        sides = table.loc[table["split"] != UNLABELLED, "split"].nunique()
        none = "No patient is on both sides." if sides > 1 else "There is only one side, so nothing can leak."
        st.success(none, icon=":material/verified:")
    else:
        st.error(
            f"{len(shared):,} of {patients:,} patients are in training and in validation: scores measured here are leaked.",
            icon=":material/warning:",
        )
        st.dataframe(shared, hide_index=True, key="shared", column_config=headings(shared))
        csv_button(shared, name=f"{name}-shared-patients")
    _copies(name, table, alike)


def _copies(name: str, table: pd.DataFrame, alike: pd.DataFrame) -> None:
    st.subheader("Duplicate slices", anchor=False)
    found = alike_scans(table, alike)
    if found.empty:
        st.success("No two scans share a slice that looks alike.", icon=":material/verified:")
    else:
        across = int(found["across_splits"].sum())
        if across:
            pairs = counted(across, "pair")
            st.error(f"{pairs} of scans look alike across the split: a leak by another name.", icon=":material/warning:")
        st.dataframe(
            found,
            hide_index=True,
            key="alike",
            column_config=headings(found)
            | {
                "bits": st.column_config.NumberColumn("Bits of 256 that differ", help="Of the closest two; 0: the same."),
                "across_splits": "Across the split",
                "across_patients": "Two patients",
            },
        )
        csv_button(found, name=f"{name}-alike")
    st.caption(
        "Every slice is compared with every slice of other scans by a 256-bit difference hash; up to 16 bits of difference count "
        "as alike. Turned, cropped or shifted copies are not found."
    )


def references(root: Path, manifest: DatasetManifest, evaluation: Evaluation | None) -> None:
    """Overlapping labels, the list of disputed scans, and scans where a confident model disagrees."""
    known = disputed_scans(root, manifest)
    st.subheader("Suspicious references", anchor=False)
    if evaluation is None:
        st.info("No run is evaluated on this data set, so no model has an opinion on its references.", icon=":material/help:")
    else:
        _suspicious(evaluation, known)
    left, right = st.columns(2)
    with left:
        st.markdown(f"**Known disputed scans** ({len(known)})")
        if known:
            st.dataframe(pd.DataFrame(known.items(), columns=["Scan", "Reason"]), hide_index=True, key="known")
        else:
            st.caption("None. A file `disputed.txt` in the data set's folder names them, one a line.")
    with right:
        contested = contested_scans(manifest)
        st.markdown(f"**Overlapping labels** ({manifest.contested_pixels:,})")
        if contested.empty:
            st.caption("None known: no organ overlapped another in the source, or it was not recorded.")
        else:
            st.dataframe(contested, hide_index=True, key="contested", column_config=headings(contested))
            csv_button(contested, name=f"{manifest.name}-contested")


def _suspicious(evaluation: Evaluation, known: dict[str, str]) -> None:
    if not may_see_scores([evaluation]):
        return
    if not cached.slices(evaluation)["confidence"].notna().any():
        st.info(f"Nobody knows how sure {escape_markdown(evaluation.run)} was: its predictions came without a confidence.")
        return
    found = cached.suspicious(evaluation)
    found = found.assign(disputed=found["scan"].isin(list(known)), reason=found["scan"].map(known).fillna(""))
    with st.container(horizontal=True, vertical_alignment="center"):
        leak_badge(evaluation.badge)
        st.caption(
            f"Scans where {escape_markdown(evaluation.run)} is sure of itself and far from the reference, most suspicious first: "
            "look, then judge."
        )
    if found.empty:
        st.success("The model nowhere disagrees with the reference while sure of itself.", icon=":material/verified:")
        return
    shown = found.assign(organ=found["organ"].map(TITLES), kind=found["kind"].str.replace("_", " "))
    picked = row_table(
        shown,
        key="suspicious",
        column_order=["scan", "suspicion", "confidence", "organ", "slice", "kind", "candidates", "disputed", "reason"],
        column_config=headings(shown)
        | {
            "suspicion": st.column_config.NumberColumn(
                "Suspicion", format="%.3f", help="0 to 1: the differing share, weighed by confidence."
            ),
            "confidence": st.column_config.NumberColumn("Confidence", format="%.3f"),
            "candidates": st.column_config.NumberColumn("Slices", help="Slices on which 50 voxels or more differ."),
        },
    )
    csv_button(found, name=f"{evaluation.run}-{evaluation.name}-suspicious", leak=evaluation.badge.text)
    if picked is not None:
        row = found.iloc[picked]
        open_place(evaluation, [row["scan"], row["slice"], row["organ"]])
