"""*Round*, second round: which verdicts hold for a newer run's masks, and the queue of what changed."""

from functools import partial

import streamlit as st

from core.cli.progress import ReportProgress
from core.reviews.queue.filters import UNREVIEWED, WorklistFilter
from core.reviews.round.carry_over import LEAST_DICE, CarryOverPlan, carry_over, plan_carry_over
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.headline import counted
from dashboard.components.common.queue_choice import Queue, find_other, keep_queue
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.text import escape_markdown
from dashboard.components.common.work import forget, is_work_running, result_of, start_work
from dashboard.state import EVALUATION, link

LOWEST = 0.80
PLANNING, CARRYING = "carry_plan", "carry"


def second_round_section(view: ReaderView) -> None:
    """Choose the newer evaluation and the amount, see what would carry over, carry it over, go on with what changed."""
    old = view.evaluation
    newer = [each for each in cached.evaluations() if each.paths.root != old.paths.root and old.facts.keys() & each.facts.keys()]
    if not newer:
        st.info("There is no other evaluation of these scans: evaluate a newer run on the same data.", icon=":material/update:")
        return
    names = [f"{each.run}/{each.name}" for each in newer]
    name = st.selectbox("Newer evaluation", names, format_func=lambda each: each.replace("/", " · "), key="newer", width=480)
    new = newer[names.index(str(name))]
    amount = st.slider(
        "Minimum Dice to carry a verdict over",
        LOWEST, 1.0, LEAST_DICE, step=0.005, format="%.3f", key="least_dice", width=480,
        help="Between both masks, for every organ; 1: identical masks only. It is stored with each verdict that carries over.",
    )  # fmt: skip
    st.caption(f"{counted(sum(bool(r.standing) for r in view.reviews.values()), 'judged scan')} here. Nothing is stored yet.")
    key = f"{PLANNING}-{old.run}-{old.name}-{name}-{amount}"
    if st.button("Preview", icon=":material/preview:", disabled=is_work_running(key)):
        forget(CARRYING)
        start_work(key, "Comparing masks", partial(_plan, view, new, amount))
    plan: CarryOverPlan | None = result_of(key)
    if plan is not None:
        _show(view, new, plan, key)


def _plan(view: ReaderView, new: Evaluation, amount: float, progress: ReportProgress) -> CarryOverPlan:
    already = view.store.reviews(run=new.run, evaluation=new.name)
    return plan_carry_over(view.evaluation, new, view.reviews, already, least_dice=amount, progress=progress)


def _show(view: ReaderView, new: Evaluation, plan: CarryOverPlan, key: str) -> None:
    left, middle, right = st.columns(3)
    left.metric("Verdicts that carry over", f"{len(plan.carried):,}", border=True)
    middle.metric("Unchanged scans", f"{plan.scans:,}", border=True)
    right.metric("Scans to review", f"{len(plan.queued):,}", border=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            f"Carry {counted(len(plan.carried), 'verdict')} over",
            type="primary",
            icon=":material/forward:",
            disabled=not view.reader or not plan.carried or is_work_running(CARRYING),
            help=None if view.reader else "Enter your name first: each event says who carried it over.",
        ):
            start_work(CARRYING, "Writing", lambda _: (key, carry_over(view.store, plan, by=view.reader)))
        if st.button("Open the queue: changed most", icon=":material/queue_play_next:"):
            _open_queue(view, new)
    done = result_of(CARRYING)
    if done and done[0] == key:
        st.success(f"{counted(done[1], 'verdict')} carried over to {escape_markdown(plan.new)}.", icon=":material/check_circle:")
    st.caption("To review, worst change first:")
    titles = {"scan": "Scan", "reason": "Why", "least_dice": "Dice between the masks"}
    st.dataframe(plan.queued[list(titles)].rename(columns=titles), hide_index=True, height=320, key="carry_queue")


def _open_queue(view: ReaderView, new: Evaluation) -> None:
    """The newer evaluation's worklist: what nobody's verdict holds for, changed most first, the old prediction beside it."""
    other = f"{view.evaluation.run}/{view.evaluation.name}"
    queue = Queue(WorklistFilter(state=(UNREVIEWED,)), "most_changed", other if find_other(new, other) else None)
    st.session_state[EVALUATION] = (new.run, new.name)
    keep_queue(new, queue)
    names = link(run=new.run, evaluation=new.name, order=queue.order, other=queue.other)
    st.switch_page("views/cases.py", query_params={**names, **queue.filter.to_query()})
