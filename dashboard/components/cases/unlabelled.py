"""Scans without a reference, by data set: nothing is scored; a click on a row opens the picture."""

import pandas as pd
import streamlit as st

from core.data.index import UNLABELLED
from core.data.scan import Scan
from dashboard import cached
from dashboard.components.common.headline import counted, partial_words
from dashboard.components.common.page_keys import page_keys
from dashboard.components.common.paging import page_of
from dashboard.components.common.reader import reader_name
from dashboard.components.common.reading import leave_scan
from dashboard.components.common.row_table import row_table
from dashboard.components.common.text import escape_markdown
from dashboard.state import link, set_query, workspace

SCANS_A_PAGE = 100
PLANES = {"I": "axial", "S": "axial", "A": "coronal", "P": "coronal", "L": "sagittal", "R": "sagittal"}
"""Of the slices, by where they lead."""


def unlabelled_cases() -> None:
    """Choose a data set, and list its scans without a reference; where there are none, how to make some."""
    if cached.evaluations():
        page_keys()
        leave_scan(reader_name())
    folders = cached.unlabelled_datasets()
    if not folders:
        _nothing_yet()
        return
    name = _choose(list(folders))
    set_query(link(section=UNLABELLED, dataset=name))
    scans = cached.unlabelled_scans(folders[name])
    patients = len({scan.patient for scan in scans})
    st.caption(
        f"{counted(len(scans), 'scan')} of {counted(patients, 'patient')} without a reference, so nothing is scored. "
        f"A click on a row opens it. {partial_words(sum(scan.is_partial for scan in scans), len(scans))}"
    )
    shown = scans[page_of(len(scans), SCANS_A_PAGE, "scans", key=f"unlabelled_page_{name}")]
    row = row_table(unlabelled_table(shown), key=f"unlabelled_{name}", row_height=34, column_config=_columns())
    if row is not None:
        st.switch_page("views/review.py", query_params=link(dataset=name, scan=shown[row].id))


def _choose(names: list[str]) -> str:
    wanted = st.query_params.get("dataset")
    if wanted and wanted not in names:
        st.warning(f"The link names a data set that has no scan without a reference here: {escape_markdown(wanted)}.")
    index = names.index(wanted) if wanted in names else 0
    return str(st.selectbox("Data set", names, index=index, key="unlabelled_dataset", width=320, label_visibility="collapsed"))


def unlabelled_table(scans: tuple[Scan, ...]) -> pd.DataFrame:
    """A row a scan: patient, scan, day, slices, their plane, spacing (z × y × x, mm), and whether the scan is partial."""
    rows = [
        {
            "patient": scan.patient,
            "scan": scan.id,
            "day": scan.day,
            "slices": len(scan.slices),
            "plane": PLANES.get((scan.info.grid.orientation or " ")[0], "unknown"),
            "spacing": " × ".join(f"{step:.3g}" for step in scan.info.grid.spacing_mm or ()) or "unknown",
            "partial": scan.is_partial,
        }
        for scan in scans
    ]
    return pd.DataFrame(rows).astype({"day": "Int64"}).dropna(axis="columns", how="all")


def _columns() -> dict[str, object]:
    config = st.column_config
    return {
        "patient": config.TextColumn("Patient", pinned=True),
        "scan": config.TextColumn("Scan", pinned=True),
        "day": config.NumberColumn("Day", format="%d", width="small"),
        "slices": config.NumberColumn("Slices", format="%d", width="small"),
        "plane": config.TextColumn("Plane", help="Of the slices, where the files say how the patient lay."),
        "spacing": config.TextColumn("Spacing, mm", help="Distance of voxel centres: slices × rows × columns."),
        "partial": config.CheckboxColumn("Partial", help="One slice, or gaps between slices."),
    }


def _nothing_yet() -> None:
    root = workspace().root
    st.info("No scan without a reference: no data set of this workspace has an `unlabelled` split.", icon=":material/view_list:")
    st.markdown(
        "1. **Prepare images that nobody has outlined:** those without a label file, in a folder of NIfTI, DICOM or nnU-Net, "
        f"become the split `unlabelled`  \n   `python -m training prepare nifti DIR --out {root}/datasets/NAME`\n"
        "2. **Outline them** with a run; the label maps are files of their own, for now  \n"
        f"   `python -m training predict --run RUN --input NAME --split unlabelled --out DIR --workspace {root}`\n\n"
        "A data set in PNG files may get such a split by hand: the folder `unlabelled/images` beside `train` and `valid`."
    )
