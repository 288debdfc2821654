"""*Compare*: two evaluations paired by scan, all runs in one table, and the settings in which two runs differ."""

import streamlit as st

from core.runs import Evaluation
from dashboard import cached
from dashboard.components import comparison
from dashboard.components.charts import picture_format
from dashboard.components.guard import require_evaluation, sentences
from dashboard.components.picker import page_title
from dashboard.components.sections import choose_section
from dashboard.components.text import plain
from dashboard.state import set_url, workspace

SECTIONS = {"difference": "Difference", "runs": "All runs", "settings": "Settings that differ"}


def main() -> None:
    with sentences():
        page_title("Compare")
        b = require_evaluation()
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            section = choose_section(SECTIONS, key="compare_section")
            picture_format()
        if section == "runs":
            set_url(run=b.run, evaluation=b.name, section=section, other=st.query_params.get("other"))
            comparison.all_runs(cached.evaluations(workspace()))
            return
        a = _other(b)
        set_url(run=b.run, evaluation=b.name, section=section, other=f"{a.run}/{a.name}" if a else None)
        if a is None:
            st.info(
                "There is nothing to compare with: evaluate another run on the same data set and split: "
                f"`python -m training evaluate --run RUN --data {b.summary['dataset']['name']} --split {b.split}`",
                icon=":material/compare_arrows:",
            )
            return
        comparison.badges(a, b)
        if section == "difference":
            comparison.difference(a, b)
        else:
            comparison.settings(a, b)


def _other(b: Evaluation) -> Evaluation | None:
    """The evaluation to compare with: the link's choice, else another run's on the same split, else any other."""
    others = [each for each in cached.evaluations(workspace()) if (each.run, each.name) != (b.run, b.name)]
    if not others:
        return None
    others.sort(key=lambda each: each.name != b.name)
    names = [f"{each.run}/{each.name}" for each in others]
    named = st.query_params.get("other")
    if named and named not in names:
        st.warning(f"The link names an evaluation that is not here, or the same one twice: {plain(named)}.")
    chosen = st.selectbox(
        "A, to compare with (above, at the right, is B)",
        names,
        index=names.index(named) if named in names else 0,
        format_func=lambda name: name.replace("/", " · "),
        key=f"compare_a_{b.run}_{b.name}",
        width=480,
    )
    return others[names.index(chosen)]


main()
