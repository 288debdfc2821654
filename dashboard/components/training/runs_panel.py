"""Runs: their table, and one in detail: state, progress, curves, the picture of learning, the machine, the log."""

from datetime import datetime

import pandas as pd
import streamlit as st

from core.charts.learning_curves import training_curves
from core.labels import ORGANS
from core.runs.jobs.stop import log_tail
from core.runs.jobs.usage import Usage, usage_of
from core.runs.library import read_about
from core.runs.registry import ACTIVE, Run, RunStatus, is_working
from core.storage.workspace import Workspace
from dashboard.components.common.row_table import row_table
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.components.training.run_actions import about_line, run_buttons
from dashboard.state import link

STATE_SIGNS = {"queued": "○", "running": "▶", "stopping": "◐", "finished": "●", "failed": "✕", "stopped": "■"}
LOSSES = {"train_loss": "training", "valid_loss": "validation"}
SCORES = {
    "valid_f1_organs": "organs",
    "valid_f1_with_background": "with background",
    "train_f1_with_background": "training, with background",
    **{f"valid_dice_{organ.name}": organ.title for organ in ORGANS},
}
RATE = {"learning_rate": "learning rate"}


def run_table(runs: list[Run]) -> str | None:
    """Show all runs; return the name of the one whose row was clicked."""
    table = pd.DataFrame([_row(run) for run in runs])
    row = row_table(
        table,
        key="run_list",
        height=min(36 * (len(runs) + 1) + 2, 290),
        column_config={
            "started": st.column_config.DatetimeColumn("Started", format="D MMM YYYY, HH:mm"),
            "best": st.column_config.NumberColumn(
                "Best organs' F1", format="%.3f", help="Pooled over validation pixels while training; to choose a checkpoint by."
            ),
            "tags": st.column_config.ListColumn("Tags"),
            "run": "Run", "title": "Title", "state": "State", "data": "Data set", "epochs": "Epochs", "leak": "Leak",
        },
    )  # fmt: skip
    return None if row is None else str(table.iloc[row]["run"])


def _row(run: Run) -> dict[str, object]:
    status, manifest, metrics, about = run.status, run.manifest() or {}, run.metrics(), read_about(run.paths)
    badges = [evaluation.badge.text for evaluation in run.evaluations()]
    return {
        "run": run.name,
        "title": ("★ " if about.promoted_at else "") + about.title,
        "state": f"{STATE_SIGNS[status.state]} {status.state}" if status else "✕ damaged",
        "data": manifest.get("dataset", {}).get("name", "unknown"),
        "epochs": f"{status.epoch} of {status.epochs}" if status and status.epochs else "",
        "best": metrics["valid_f1_organs"].max() if "valid_f1_organs" in metrics else None,
        "leak": badges[0] if badges else "not evaluated",
        "tags": list(about.tags),
        "started": datetime.fromtimestamp(status.started_at) if status and status.started_at else None,
    }


def run_details(workspace: Workspace, run: Run) -> None:
    """One run: state, progress, curves, log, and what can be done with it."""
    st.subheader(escape_markdown(run.name), anchor=False)
    if run.status is None:
        st.error(escape_links(run.problem), icon=":material/error:")
        return
    about_line(run)
    _state(run.status)
    run_buttons(workspace, run, run.status)
    _evaluations(run)
    if run.status.state in ("running", "stopping") and run.status.local_pid:
        _machine(usage_of(run.status.local_pid))
    _curves(run)
    _learning(run)
    _log(run, run.status)


def _state(status: RunStatus) -> None:
    text = f"{STATE_SIGNS[status.state]} {status.state}: {escape_markdown(status.message)}" if status.message else status.state
    if status.state == "failed":
        st.error(escape_links(status.message or "Failed."), icon=":material/error:")
    elif status.evaluation_failed:
        st.warning(escape_links(f"Finished, but not evaluated: {status.message}"), icon=":material/warning:")
    if status.state not in ACTIVE:
        if is_working(status):
            st.caption("Evaluating the validation split; its cases appear here.")
        counted = f"  Epoch {status.epoch} of {status.epochs}, step {status.step:,}." if status.epochs else ""
        st.caption(("" if status.state == "failed" or status.evaluation_failed else text) + counted)
        return
    if status.state == "queued":
        st.info(escape_links(status.message), icon=":material/hourglass:")
        return
    left = "" if status.remaining_s is None else f", about {max(round(status.remaining_s / 60), 1)} min left"
    share = min(status.epoch / status.epochs, 1.0) if status.epochs else 0.0
    st.progress(share, text=f"{text}, epoch {status.epoch} of {status.epochs or '?'}, step {status.step:,}{left}")


def _evaluations(run: Run) -> None:
    for evaluation in run.evaluations():
        st.page_link(
            "views/cases.py",
            label=f"Review {escape_markdown(evaluation.name)} ({evaluation.badge.text})",
            icon=":material/view_list:",
            query_params=link(run=run.name, evaluation=evaluation.name),
        )


def _machine(usage: Usage | None) -> None:
    if usage is None:
        return
    parts = [
        f"Processor: {usage.cores:.1f} of {usage.machine_cores} cores",
        f"Memory: {usage.memory_bytes / 1e9:.1f} of {usage.machine_bytes / 1e9:.1f} GB",
    ]
    for gpu in usage.gpus:
        parts.append(f"{gpu.name}: {gpu.busy_percent:.0f} %, {gpu.used_bytes / 1e9:.1f} of {gpu.total_bytes / 1e9:.1f} GB")
    st.caption(" · ".join(parts))


def _curves(run: Run) -> None:
    metrics = run.metrics()
    if metrics.empty:
        st.caption(_no_curves(run))
        return
    left, right = st.columns(2)
    left.plotly_chart(training_curves(metrics, LOSSES, "loss"), key=f"loss-{run.name}")
    right.plotly_chart(training_curves(metrics, SCORES, "F1 over pixels"), key=f"scores-{run.name}")
    if "learning_rate" in metrics and metrics["learning_rate"].nunique() > 1:
        with st.expander("Learning rate", icon=":material/show_chart:"):
            st.plotly_chart(training_curves(metrics, RATE, "learning rate"), key=f"rate-{run.name}")


def _no_curves(run: Run) -> str:
    if any("external" in evaluation.summary for evaluation in run.evaluations()):
        return "Label maps of another tool: nothing was trained here, so there are no curves."
    if run.status is not None and run.status.state not in ACTIVE:
        return "There are no curves: the run ended before its first epoch, or came without them."
    return "Curves appear after the first epoch."


def _learning(run: Run) -> None:
    """The same few validation slices after every epoch: a picture of learning."""
    folder = run.paths.learning
    epochs = [int(path.stem.removeprefix("epoch-")) for path in sorted(folder.glob("epoch-[0-9]*.png"))]
    if not epochs or not (folder / "reference.png").exists():
        return
    st.markdown("**The same four validation slices after each epoch**")
    chosen = epochs[-1]
    if len(epochs) > 1:
        key, newest = f"epoch-{run.name}", f"newest-epoch-{run.name}"
        if st.session_state.get(key) in (None, st.session_state.get(newest)):
            st.session_state[key] = epochs[-1]  # follows the training until somebody looks back
        st.session_state[newest] = epochs[-1]
        chosen = st.select_slider("Epoch", epochs, key=key)
    st.image(str(folder / f"epoch-{chosen:03d}.png"), caption=f"Prediction after epoch {chosen}", width=800)
    st.image(str(folder / "reference.png"), caption="Reference", width=800)


def _log(run: Run, status: RunStatus) -> None:
    tracker = run.paths.root / "tracker"
    if tracker.is_dir():
        st.caption(f"Tracker files: {escape_markdown(str(tracker))}")
    log = log_tail(run.paths)
    if log:
        with st.expander("Log", icon=":material/article:", expanded=status.state == "failed"):
            st.code(log, language=None, height=260)
