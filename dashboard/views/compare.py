"""*Compare*: two evaluations paired by scan, all runs in one table, and the settings in which two runs differ."""

import shlex
from collections.abc import Mapping

import streamlit as st

from core.reviews.store.events import Round
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.blind import named, title_of, token_of
from dashboard.components.common.charts import picture_format
from dashboard.components.common.guard import require_evaluation, show_errors
from dashboard.components.common.hidden_scores import may_see_scores
from dashboard.components.common.picker import page_title
from dashboard.components.common.sections import choose_section
from dashboard.components.common.text import escape_markdown
from dashboard.components.metrics import compare_sections as comparison
from dashboard.state import link, set_query, workspace

SECTIONS = {"difference": "Difference", "runs": "All runs", "settings": "Settings that differ"}


def main() -> None:
    with show_errors():
        store = cached.store()
        page_title("Compare", store=store)
        b = require_evaluation()
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            section = choose_section(SECTIONS, key="compare_section")
            picture_format()
        rounds = store.rounds()
        here = named(b, rounds.get((b.run, b.name))) | {"section": section}
        if section == "runs":
            set_query(here | link(other=st.query_params.get("other")))
            if may_see_scores(cached.evaluations()):
                comparison.all_runs(cached.evaluations())
            return
        a = _other(b, rounds)
        set_query(here | (_beside(a, rounds) if a else {}))
        if a is None:
            st.info(
                "There is nothing to compare with: evaluate another run on the same data set and split:",
                icon=":material/compare_arrows:",
            )
            data, where = shlex.quote(str(b.summary["dataset"]["name"])), shlex.quote(str(workspace().root))
            st.code(f"python -m training evaluate --run RUN --data {data} --split {b.split} --workspace {where}", language="bash")
            return
        if not may_see_scores([a, b]):
            return
        comparison.badges(a, b)
        if section == "difference":
            comparison.difference(a, b)
        else:
            comparison.settings(a, b)


def _other(b: Evaluation, rounds: Mapping[tuple[str, str], Round]) -> Evaluation | None:
    """The evaluation to compare with: the link's choice, else another run's on the same split, else any other."""
    others = [each for each in cached.evaluations() if (each.run, each.name) != (b.run, b.name)]
    if not others:
        return None
    others.sort(key=lambda each: each.name != b.name)
    names = [f"{each.run}/{each.name}" for each in others]
    titles = {name: title_of(each, rounds.get((each.run, each.name))) for name, each in zip(names, others, strict=True)}
    wanted = st.query_params.get("other")
    if wanted and wanted not in names:
        st.warning(f"The link names an evaluation that is not here, or the same one twice: {escape_markdown(wanted)}.")
    chosen = st.selectbox(
        "A, to compare with (above, at the right, is B)",
        names,
        index=names.index(wanted) if wanted in names else 0,
        format_func=lambda name: titles[name],
        key=f"compare_a_{token_of(b)}",
        width=480,
    )
    return others[names.index(chosen)]


def _beside(a: Evaluation, rounds: Mapping[tuple[str, str], Round]) -> dict[str, str]:
    """The query parameter that names the evaluation to compare with; none where its run is to stay hidden."""
    settings = rounds.get((a.run, a.name))
    return {} if settings and settings.blind else {"other": f"{a.run}/{a.name}"}


main()
