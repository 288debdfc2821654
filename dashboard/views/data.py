"""*Data*: what is in a data set, what leaks across its split, which references are suspicious, and its slices."""

from pathlib import Path

import streamlit as st

from core.data.manifest import read_manifest
from core.errors import DatasetError
from core.runs.registry import Evaluation
from dashboard import cached
from dashboard.components.common.charts import picture_format
from dashboard.components.common.guard import show_errors
from dashboard.components.common.sections import choose_section
from dashboard.components.common.text import escape_markdown
from dashboard.components.data import data_sections as sections
from dashboard.components.data.slice_grid import slice_grid
from dashboard.state import EVALUATION, link, set_query, workspace

SECTIONS = {"contents": "Contents", "leaks": "Leaks and duplicates", "references": "References", "slices": "Slices"}


def main() -> None:
    with show_errors():
        left, right = st.columns([2, 1], vertical_alignment="bottom")
        left.title("Data", anchor=False)
        folders = _folders()
        if not folders:
            st.info(
                "No data set in this workspace yet; make one of synthetic patients: "
                f"`python -m training prepare phantom --out {workspace().datasets}/phantoms`",
                icon=":material/database:",
            )
            return
        name = _choose(list(folders), right)
        root = folders[name]
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            section = choose_section(SECTIONS, key="data_section")
            picture_format()
        kept = {key: st.query_params.get(key) for key in ("find", "show")} if section == "slices" else {}
        set_query(link(dataset=name, section=section, **kept))
        if not root.is_dir():
            raise DatasetError("The data set is not here", value=root, todo="bring its folder back; its scores stay readable")
        manifest = read_manifest(root)
        sections.what_it_is(manifest)
        if section == "references":
            sections.references(root, manifest, _evaluation_of(root))
            return
        found = sections.require_survey(root)
        if section == "contents":
            sections.contents(name, manifest, found[0])
        elif section == "leaks":
            sections.leaks(name, *found)
        else:
            slice_grid(name, root, found[0], _evaluation_of(root))


def _folders() -> dict[str, Path]:
    """Data sets by name: those of the workspace, and those that an evaluation was made on."""
    datasets = workspace().datasets
    found = {path.name: path for path in sorted(datasets.glob("[!.]*")) if path.is_dir()} if datasets.is_dir() else {}
    for each in cached.evaluations():
        if each.dataset_root not in found.values():
            found.setdefault(each.dataset_root.name, each.dataset_root)
    return found


def _choose(names: list[str], place: "st.delta_generator.DeltaGenerator") -> str:
    """The link's data set, else that of the evaluation that is looked at, else the first."""
    looked_at = st.session_state.get(EVALUATION)
    evaluated = {(each.run, each.name): each.dataset_root.name for each in cached.evaluations()}
    wanted = st.query_params.get("dataset") or (evaluated.get(looked_at) if looked_at else None)
    if wanted and st.query_params.get("dataset") and wanted not in names:
        st.warning(f"The link names a data set that is not here: {escape_markdown(wanted)}.")
    index = names.index(wanted) if wanted in names else 0
    return str(place.selectbox("Data set", names, index=index, key="data_name", label_visibility="collapsed"))


def _evaluation_of(root: Path) -> Evaluation | None:
    """The evaluation that is looked at if it is of this data set, else the newest that is."""
    mine = [each for each in cached.evaluations() if each.dataset_root.resolve() == root.resolve()]
    looked_at = st.session_state.get(EVALUATION)
    return next((each for each in mine if (each.run, each.name) == looked_at), mine[0] if mine else None)


main()
