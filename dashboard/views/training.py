"""*Training*: start a run, watch it, stop and resume it; what became of the others."""

import streamlit as st

from core.runs.registry import Run, is_working, list_runs
from dashboard.components.common.guard import show_errors
from dashboard.components.common.text import escape_markdown
from dashboard.components.training.new_run import new_run_form
from dashboard.components.training.run_actions import import_and_trash
from dashboard.components.training.runs_panel import run_details, run_table
from dashboard.state import SELECTED_RUN, address, link, set_query, workspace


def main() -> None:
    st.title("Training")
    with show_errors():
        runs = list_runs(workspace())
        with st.expander("New run", icon=":material/add:", expanded=not runs):
            new_run_form(workspace(), runs)
        with st.expander("Import, and the trash", icon=":material/inventory_2:"):
            import_and_trash(workspace())
    if not runs:
        st.info(
            "No run yet: start a quick one above, or run: python -m training fit --data DATASET --model b0 "
            f"--workspace {escape_markdown(str(workspace().root))}",
            icon=":material/model_training:",
        )
        return
    _runs(active=any(_active(run) for run in runs))


def _chosen(runs: list[Run]) -> Run:
    named = st.session_state.get(SELECTED_RUN) or address().run
    return next((run for run in runs if run.name == named), runs[0])


def _active(run: Run) -> bool:
    return run.status is not None and is_working(run.status)


def _runs(*, active: bool) -> None:
    """Draw the runs, again every two seconds while one is active; the page is drawn once more when it has ended."""

    @st.fragment(run_every=2 if active else None)
    def draw() -> None:
        with show_errors():
            runs = list_runs(workspace())
            if not runs or (active and not any(_active(run) for run in runs)):
                st.rerun()
            picked = run_table(runs)
            chosen = next((run for run in runs if run.name == picked), _chosen(runs))
            st.session_state[SELECTED_RUN] = chosen.name
            set_query(link(run=chosen.name))
            run_details(workspace(), chosen)

    draw()


main()
