"""Runs: their table, one in detail, and the form that starts one."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import GutCheckError
from core.jobs import TrainingJob, log_tail, new_run_name, request_stop, start_training
from core.labels import ORGANS
from core.runs import ACTIVE, Run, RunStatus, is_working
from core.workspace import Workspace
from dashboard.components.charts import training_curves
from dashboard.state import SELECTED_RUN, flash, link, project_root

STATE_SIGNS = {"queued": "○", "running": "▶", "stopping": "◐", "finished": "●", "failed": "✕", "stopped": "■"}
QUICK_RECIPE = Path("training/recipes/quick.yaml")
LOSSES = {"train_loss": "training", "valid_loss": "validation"}
SCORES = {
    "valid_f1_organs": "organs",
    "valid_f1_with_background": "with background",
    "train_f1_with_background": "training, with background",
    **{f"valid_dice_{organ.name}": organ.title for organ in ORGANS},
}


def run_table(runs: list[Run]) -> str | None:
    """Show all runs; return the name of the one whose row was clicked."""
    table = pd.DataFrame([_row(run) for run in runs])
    event = st.dataframe(
        table,
        key="run_list",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "started": st.column_config.DatetimeColumn("Started", format="D MMM YYYY, HH:mm"),
            "best": st.column_config.NumberColumn(
                "Best organs' F1", format="%.3f", help="Pooled over validation pixels while training; to choose a checkpoint by."
            ),
            "run": "Run", "state": "State", "data": "Data set", "epochs": "Epochs", "leak": "Leak",
        },
    )  # fmt: skip
    rows = event["selection"]["rows"]
    return str(table.iloc[rows[0]]["run"]) if rows else None


def _row(run: Run) -> dict[str, object]:
    status, manifest, metrics = run.status, run.manifest() or {}, run.metrics()
    badges = [evaluation.badge.text for evaluation in run.evaluations()]
    return {
        "run": run.name,
        "state": f"{STATE_SIGNS[status.state]} {status.state}" if status else "✕ damaged",
        "data": manifest.get("dataset", {}).get("name", "unknown"),
        "epochs": f"{status.epoch} of {status.epochs}" if status else "",
        "best": metrics["valid_f1_organs"].max() if "valid_f1_organs" in metrics else None,
        "leak": badges[0] if badges else "not evaluated",
        "started": datetime.fromtimestamp(status.started_at) if status and status.started_at else None,
    }


def run_details(run: Run) -> None:
    """One run: state, progress, curves, log, and what can be done with it."""
    st.subheader(run.name)
    if run.status is None:
        st.error(run.problem, icon=":material/error:")
        return
    _state(run, run.status)
    metrics = run.metrics()
    if metrics.empty:
        st.caption("Curves appear after the first epoch.")
    else:
        left, right = st.columns(2)
        left.plotly_chart(training_curves(metrics, LOSSES, "loss"), key=f"loss-{run.name}")
        right.plotly_chart(training_curves(metrics, SCORES, "F1 over pixels"), key=f"scores-{run.name}")
    for evaluation in run.evaluations():
        address = link(run=run.name, evaluation=evaluation.name)
        st.page_link(
            "views/cases.py",
            label=f"Cases of {evaluation.name} ({evaluation.badge.text})",
            icon=":material/view_list:",
            query_params=address,
        )
    log = log_tail(run.paths)
    if log:
        with st.expander("Log", expanded=run.status.state == "failed"):
            st.code(log, language=None, height=260)


def _state(run: Run, status: RunStatus) -> None:
    text = f"{STATE_SIGNS[status.state]} {status.state}: {status.message}" if status.message else status.state
    if status.state == "failed":
        st.error(text)
    if status.state not in ACTIVE:
        if is_working(status):
            st.caption("Evaluating the validation split; its cases appear here.")
        st.caption(f"{text}  Epoch {status.epoch} of {status.epochs}, step {status.step:,}.")
        return
    left = "" if status.remaining_s is None else f", about {max(round(status.remaining_s / 60), 1)} min left"
    share = min(status.epoch / status.epochs, 1.0) if status.epochs else 0.0
    st.progress(share, text=f"{text} Epoch {status.epoch} of {status.epochs or '?'}, step {status.step:,}{left}")
    if st.button(
        "Stop after this step", icon=":material/stop_circle:", key=f"stop-{run.name}", disabled=status.state == "stopping"
    ):
        request_stop(run)
        flash("The run stops after its present step and keeps its best checkpoint.", ":material/stop_circle:")
        st.rerun()


def new_run_form(workspace: Workspace, *, busy: list[Run]) -> None:
    """Choose a data set and a size, and start a quick run."""
    datasets = sorted(path.name for path in workspace.datasets.glob("[!.]*") if path.is_dir())
    if not datasets:
        st.info(f"No data set in this workspace yet; run: python -m training prepare phantom --out {workspace.datasets}/phantoms")
        return
    with st.form("new_run", border=False):
        data, model, epochs, minutes = st.columns([3, 1, 1, 1])
        dataset = data.selectbox("Data set", datasets)
        size = model.selectbox("Model", [f"b{i}" for i in range(6)], help="SegFormer's size; b0 is the quickest.")
        count = epochs.number_input("Epochs", 1, 1000, 5)
        limit = minutes.number_input("At most, minutes", 1, 10_000, 10)
        name = st.text_input("Name of the run", new_run_name("quick"))
        started = st.form_submit_button("Start", type="primary", disabled=bool(busy))
    if busy:
        st.caption(f"One run at a time: {busy[0].name} is active.")
    if started:
        options = (("model", size), ("epochs", str(count)), ("max_minutes", str(limit)), ("evaluate", "true"))
        _start(workspace, TrainingJob(workspace.dataset(dataset), project_root() / QUICK_RECIPE, options), name)


def _start(workspace: Workspace, job: TrainingJob, name: str) -> None:
    try:
        start_training(workspace, job, name)
    except GutCheckError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.session_state[SELECTED_RUN] = name
    flash(f"Run {name} has started; it goes on when this page is closed.", ":material/play_arrow:")
    st.rerun()
