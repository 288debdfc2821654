"""The form that starts a training run: choices, everything that is wrong with them, what it will take, and the start."""

import os
from pathlib import Path

import streamlit as st
import yaml

from core.config import RAY_VARIABLE, ClusterConfig
from core.errors import GutCheckError
from core.runs.jobs.estimates import PendingEstimate, start_estimate
from core.runs.jobs.start import TrainingJob, new_run_name, start_training
from core.runs.plan import PARAMETERS, RunPlan, model_of, plan_run
from core.runs.registry import Run
from core.runs.settings import RunSettings
from core.storage.workspace import PROJECT_ROOT, Workspace
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.state import SELECTED_RUN, flash

RECIPES = PROJECT_ROOT / "training" / "recipes"
OWN_RECIPE = "none: the defaults"
FRESH = "the recipe's own"
TRACKERS = {"csv": "CSV", "tensorboard": "TensorBoard", "wandb": "Weights & Biases", "none": "none"}
ESTIMATE = "estimate"
STARTED = "runs_started"
"""How many runs this session has started."""
HERE, CLUSTER = "this machine", "Ray cluster"


def new_run_form(workspace: Workspace, runs: list[Run]) -> None:
    """Choose, look at what is wrong and how long it will take, and start."""
    datasets, others = _datasets(workspace)
    if others:
        st.caption(escape_links(f"Not to be trained on, for want of a training or validation split: {', '.join(others)}."))
    if not datasets:
        out = escape_markdown(f"{workspace.datasets}/phantoms")
        st.info(f"No data set in this workspace yet; run: python -m training prepare phantom --out {out}")
        return
    dataset, recipe, options = _choices(workspace, datasets, runs)
    # Another key a run: the browser remembers what was typed under the last one, which is now taken.
    name = st.text_input("Name of the run", new_run_name("run"), key=f"new_run_name-{st.session_state.get(STARTED, 0)}")
    plan = plan_run(workspace, name, dataset, recipe, options)
    _findings(plan)
    cluster = _where()
    job = TrainingJob(dataset, plan.settings or RunSettings(), evaluate=True, cluster=cluster)
    start, ask_first, _ = st.columns([1, 1.4, 3])
    if start.button("Start", type="primary", icon=":material/play_arrow:", disabled=bool(plan.problems), width="stretch"):
        _start(workspace, job, name)
    here = ask_first.button(
        "Estimate time", icon=":material/timer:", disabled=bool(plan.problems or cluster), width="stretch",
        help="Times a few steps on this machine.",
    )  # fmt: skip
    if here:
        _forget_estimate()
        st.session_state[ESTIMATE] = start_estimate(workspace, job)
    _estimate(workspace, job)
    if plan.settings:
        with st.expander("All settings", icon=":material/settings:"):
            st.code(yaml.safe_dump(plan.settings.plain(), sort_keys=False), language="yaml", height=300)


def _datasets(workspace: Workspace) -> tuple[list[str], list[str]]:
    """Data sets of the workspace by name: those with both splits, and those without, such as another tool's scored masks."""
    names = sorted(path.name for path in workspace.datasets.glob("[!.]*") if path.is_dir())
    whole = [name for name in names if all(_has(workspace.datasets / name / split) for split in ("train", "valid"))]
    return whole, [name for name in names if name not in whole]


def _has(split: Path) -> bool:
    return all(next((split / kind).glob("*.png"), None) is not None for kind in ("images", "masks"))


def recipes() -> dict[str, Path]:
    """The recipes to start from, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml")) if path.stem != "demo"}


def _choices(workspace: Workspace, datasets: list[str], runs: list[Run]) -> tuple[Path, Path | None, dict[str, object]]:
    """Data set, recipe, and the options that differ from it."""
    known = recipes()
    left, middle, right = st.columns(3)
    dataset = left.selectbox("Data set", datasets, help="Corrected masks that Review exported as a data set are listed here too.")
    recipe = middle.selectbox("Recipe", [*known, OWN_RECIPE], index=list(known).index("quick") if "quick" in known else 0)
    models = [run.name for run in runs if run.has_model]
    weights = right.selectbox(
        "Initialise from", [FRESH, *models], help="A run of this workspace: it is fine-tuned on the data set chosen."
    )
    options: dict[str, object] = {}
    boxes = st.columns(6)
    size = boxes[0].selectbox("Model", ["as in the recipe", *PARAMETERS], disabled=weights != FRESH, help="SegFormer's size.")
    if weights != FRESH:
        options["model"] = model_of(workspace, weights)
    elif size != "as in the recipe":
        options["model"] = size
    numbers = (
        ("epochs", "Epochs", 1, 1000), ("max_minutes", "Time limit (min)", 1, 100_000), ("batch_size", "Batch size", 1, 512),
        ("image_size", "Image size (px)", 32, 1024),
    )  # fmt: skip
    for box, (key, label, least, most) in zip(boxes[1:], numbers, strict=False):
        value = box.number_input(label, least, most, None, step=32 if key == "image_size" else 1, placeholder="as in the recipe")
        if value is not None:
            options[key] = value
    tracker = boxes[5].selectbox("Tracker", list(TRACKERS), format_func=TRACKERS.__getitem__)
    if tracker != "csv":
        options["tracker"] = tracker
    return workspace.dataset(dataset), known.get(recipe), options


def _where() -> ClusterConfig | None:
    """The Ray cluster to train on, where an address is configured and it is chosen.

    Raises:
        ConfigError: the address is none.
    """
    address = os.environ.get(RAY_VARIABLE)
    if not address:
        return None
    where, workers, cores, gpus = st.columns([2, 1, 1, 1])
    chosen = where.selectbox(
        "Runs on", [HERE, CLUSTER], help=f"The cluster at {escape_markdown(address)}; it must see this workspace."
    )
    numbers = (
        workers.number_input("Workers", 1, 1000, 1, disabled=chosen == HERE, help="The batch size counts for each."),
        cores.number_input("CPU cores per worker", 1, 256, 1, disabled=chosen == HERE),
        gpus.number_input("GPUs per worker", 0, 1, 0, disabled=chosen == HERE),
    )
    return None if chosen == HERE else ClusterConfig(address, *numbers)


def _findings(plan: RunPlan) -> None:
    for problem in plan.problems:
        st.error(escape_links(problem), icon=":material/error:")
    for warning in plan.warnings:
        st.warning(escape_links(warning), icon=":material/warning:")
    if not plan.problems:
        st.caption(f"Its scores will be {plan.leak.text}. On disk: about {plan.disk_bytes / 1e6:,.0f} MB.")


def _start(workspace: Workspace, job: TrainingJob, name: str) -> None:
    _forget_estimate()
    try:
        start_training(workspace, job, name)
    except GutCheckError as error:
        st.error(escape_links(str(error)), icon=":material/error:")
        return
    st.session_state[SELECTED_RUN] = name
    st.session_state[STARTED] = st.session_state.get(STARTED, 0) + 1
    flash(f"Run {escape_markdown(name)} is queued; it goes on when this page is closed.", ":material/play_arrow:")
    st.rerun()


def _forget_estimate() -> None:
    asked = st.session_state.pop(ESTIMATE, None)
    if asked is not None:
        asked.stop()


def _estimate(workspace: Workspace, job: TrainingJob) -> None:
    """The answer, once it is there; an answer to other settings is not shown."""
    asked: PendingEstimate | None = st.session_state.get(ESTIMATE)
    if asked is None:
        return
    if asked.job != job:
        _forget_estimate()
        return
    running = asked.process.poll() is None

    @st.fragment(run_every=1 if running else None)
    def show() -> None:
        try:
            found = asked.answer()
        except GutCheckError as error:
            st.error(escape_links(str(error)), icon=":material/error:")
            return
        if found is None:
            st.caption("Timing a few steps of this very run…")
            return
        if running:
            st.rerun()
        minutes, hours = found["total_s"] / 60, found["total_s"] / 3600
        long = f"{hours:.1f} hours" if hours >= 2 else f"{max(minutes, 1):.0f} minutes"
        st.success(
            f"About {long} for {found['epochs']} epochs on {found['device']}: {found['seconds_per_step']:.2f} s a step, "
            f"{found['seconds_per_epoch']:.0f} s an epoch; {found['peak_bytes'] / 1e9:.1f} of "
            f"{found['memory_bytes'] / 1e9:.1f} GB of memory. Other work on this machine changes it.",
            icon=":material/timer:",
        )

    show()
