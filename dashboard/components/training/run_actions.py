"""What can be done with a run: stop, resume, promote, describe, export, delete."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from core.runs.jobs.start import can_resume, lacks_evaluation, resume_training
from core.runs.jobs.stop import request_stop, stop_now
from core.runs.library import (
    RunDescription,
    export_run,
    import_run,
    promote,
    read_about,
    restore_run,
    trash_run,
    trashed,
    write_about,
)
from core.runs.registry import Run, RunStatus, is_working
from core.storage.workspace import Workspace
from dashboard.components.common.text import escape_markdown, in_badge
from dashboard.state import SELECTED_RUN, flash

MAX_UPLOAD_MB = 1024
"""An export of the largest model with its ONNX file has 600; it is in memory while it is brought here. The server's own limit,
in ``.streamlit/config.toml``, is the same: it asks for no widget's."""


def run_buttons(workspace: Workspace, run: Run, status: RunStatus) -> None:
    """The actions that make sense in the run's state."""
    with st.container(horizontal=True):
        if status.state == "queued":
            _button("Take out of the queue", "stop_circle", run, lambda: request_stop(run), "It is taken out of the queue.")
        elif status.state in ("running", "stopping"):
            said, stopping = "The run stops after its present step and keeps its best checkpoint.", status.state == "stopping"
            _button("Stop after this step", "stop_circle", run, lambda: request_stop(run), said, disabled=stopping)
            with st.popover("Stop now…", icon=":material/dangerous:"):
                st.write("The process is killed at once. What it learned since the last complete epoch is lost.")
                _button("Stop now", "dangerous", run, lambda: stop_now(run), "The run is stopped.")
        elif not is_working(status):
            _ended(workspace, run, status)


def _ended(workspace: Workspace, run: Run, status: RunStatus) -> None:
    if can_resume(status):
        said = f"Run {run.name} is queued again, after epoch {status.epoch}."
        _button("Resume", "resume", run, lambda: resume_training(workspace, run.name), said)
    if lacks_evaluation(run.paths, status):
        said = f"Run {run.name} is queued again, to be evaluated."
        _button("Evaluate", "fact_check", run, lambda: resume_training(workspace, run.name), said)
    if run.has_model:
        is_promoted = read_about(run.paths).promoted_at is not None
        words = "No longer for the demo" if is_promoted else "Use in the demo"
        said = "The demo no longer uses this run." if is_promoted else "The demo uses this run from now on."
        _button(words, "star", run, lambda: promote(run, wanted=not is_promoted), said)
        with st.popover("Export…", icon=":material/archive:"):
            _export(workspace, run)
    with st.popover("Describe…", icon=":material/edit_note:"):
        _describe(run)
    with st.popover("Delete…", icon=":material/delete:"):
        st.write(
            f"**{escape_markdown(run.name)}** goes to the trash with its model and evaluations, and can be put back. "
            "Verdicts stay stored."
        )
        _button("Delete", "delete", run, lambda: trash_run(workspace, run.name), f"{run.name} is in the trash.")


def _button(words: str, icon: str, run: Run, act: Callable[[], object], said: str, *, disabled: bool = False) -> None:
    if st.button(words, icon=f":material/{icon}:", key=f"{icon}-{run.name}", disabled=disabled):
        act()
        flash(escape_markdown(said), f":material/{icon}:")
        st.rerun(scope="app")


def _describe(run: Run) -> None:
    known = read_about(run.paths)
    title = st.text_input("Title", known.title, max_chars=120, key=f"title-{run.name}")
    tags = st.text_input("Tags, separated by commas", ", ".join(known.tags), key=f"tags-{run.name}")
    notes = st.text_area("Notes", known.notes, max_chars=10_000, key=f"notes-{run.name}")
    about = replace(known, title=title, notes=notes, tags=tuple(tags.split(",")))
    _button("Save", "save", run, lambda: write_about(run.paths, about), "Saved.")


def _export(workspace: Workspace, run: Run) -> None:
    st.write(
        "One zip with the model, its settings, curves, log and evaluations, and a SHA-256 of every file; no checkpoints, no "
        "pictures. Another workspace imports it on its *Training* page. It names scans: send it only where that is allowed."
    )

    def pack() -> bytes:
        with TemporaryDirectory() as folder:
            export_run(workspace, run.name, Path(folder) / "run.zip")
            return (Path(folder) / "run.zip").read_bytes()

    st.download_button("Download", pack, f"{run.name}.zip", "application/zip", icon=":material/download:", key=f"zip-{run.name}")


def about_line(run: Run) -> None:
    """Title, tags and notes, where somebody wrote any."""
    about = read_about(run.paths)
    if about == RunDescription():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if about.promoted_at:
            st.badge("used by the demo", icon=":material/star:", color="primary")
        if about.title:
            st.markdown(f"**{escape_markdown(about.title)}**", width="content")
        for tag in about.tags:
            st.badge(in_badge(tag), color="gray")
    if about.notes:
        st.text(about.notes)


def import_and_trash(workspace: Workspace) -> None:
    """Bring a run from another workspace; put a deleted one back."""
    left, right = st.columns(2)
    with left:
        about = "A larger one: python -m training import FILE.zip"
        given = st.file_uploader("Import an exported run", type="zip", max_upload_size=MAX_UPLOAD_MB, help=about)
        if given is not None and st.button("Import", icon=":material/unarchive:"):
            _import(workspace, given.name.removesuffix(".zip"), given.getbuffer())
    with right:
        kept = trashed(workspace)
        if not kept:
            st.caption("The trash is empty.")
            return
        chosen = st.selectbox("Trash", kept, format_func=lambda name: name.rsplit(".", 1)[0])
        if st.button("Restore", icon=":material/restore_from_trash:"):
            st.session_state[SELECTED_RUN] = restore_run(workspace, chosen)
            flash("The run is back.")
            st.rerun()
        st.caption(f"To free the disk for good, remove folders from {escape_markdown(str(workspace.trash))}.")


def _import(workspace: Workspace, name: str, content: memoryview) -> None:
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "run.zip"
        archive.write_bytes(content)
        import_run(workspace, archive, name)
    st.session_state[SELECTED_RUN] = name
    flash(f"Run {escape_markdown(name)} is here.")
    st.rerun()
