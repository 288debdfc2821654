"""*Training*: the runs, their state and curves; start a quick run, stop one."""

import streamlit as st

from core.runs import Run, is_working, list_runs
from dashboard.components.guard import sentences
from dashboard.components.runs import new_run_form, run_details, run_table
from dashboard.state import SELECTED_RUN, address, set_url, workspace


def main() -> None:
    st.title("Training")
    with sentences():
        runs = list_runs(workspace())
        with st.expander("Start a run", icon=":material/play_arrow:", expanded=not runs):
            new_run_form(workspace(), busy=[run for run in runs if _active(run)])
    if not runs:
        st.info(
            "No run yet: start a quick one above, or run: python -m training fit --data DATASET --model b0",
            icon=":material/model_training:",
        )
        return
    chosen = _chosen(runs)
    picked = run_table(runs)
    if picked and picked != chosen.name:
        chosen = next(run for run in runs if run.name == picked)
    st.session_state[SELECTED_RUN] = chosen.name
    set_url(run=chosen.name)
    _details(chosen.name, active=_active(chosen))


def _chosen(runs: list[Run]) -> Run:
    named = st.session_state.get(SELECTED_RUN) or address().run
    return next((run for run in runs if run.name == named), runs[0])


def _active(run: Run) -> bool:
    return run.status is not None and is_working(run.status)


def _details(name: str, *, active: bool) -> None:
    """Draw the run, again every two seconds while it is active; the page is drawn once more when it has ended."""

    @st.fragment(run_every=2 if active else None)
    def draw() -> None:
        with sentences():
            run = next(run for run in list_runs(workspace()) if run.name == name)
            if active and not _active(run):
                st.rerun()
            run_details(run)

    draw()


main()
