"""*Round*, out: tables, corrected masks, run lengths and reports."""

import io
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from core.cli.progress import ReportProgress
from core.config import SplitConfig
from core.data.prepare.writer import Prepared
from core.errors import WorkspaceError
from core.reports.round_report import PICTURES, round_report
from core.reports.scan_report import scan_report
from core.reviews.round.corrected import FinalMask, final_masks, run_length_csv, write_corrected_dataset
from core.reviews.round.export import TABLE_FORMATS, TableFormat, round_tables, write_tables
from dashboard.components.common.headline import counted
from dashboard.components.common.label_files import FORMATS, zip_of_masks
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.text import escape_links, escape_markdown
from dashboard.components.common.work import is_work_running, result_of, start_work
from dashboard.state import workspace


def exports_section(view: ReaderView) -> None:
    """What a lead takes out of a round; what takes long is made beside the page."""
    left, right = st.columns(2, gap="large")
    with left:
        _tables(view)
        _reports(view)
    with right:
        _masks(view)


def _tables(view: ReaderView) -> None:
    st.subheader("Verdicts and findings", anchor=False)
    st.caption("Verdicts, findings, comments, corrections and active time, one row an event, with hashes and the leak badge.")
    with st.container(horizontal=True):
        for form in TABLE_FORMATS:
            st.download_button(
                form.upper() if form != "parquet" else "Parquet",
                partial(tables_zip, view, form),
                file_name=f"{_file_name(view)}-{form}.zip",
                mime="application/zip",
                icon=":material/download:",
                on_click="ignore",
                key=f"tables-{form}",
            )


def tables_zip(view: ReaderView, form: TableFormat) -> bytes:
    """The round's tables in one format, zipped. Raises: see `core.reviews.round.export.write_tables`."""
    history = view.store.history(run=view.evaluation.run, evaluation=view.evaluation.name)
    with TemporaryDirectory() as folder:
        files = write_tables(round_tables(view.evaluation, history), Path(folder), [form])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.name)
    return packed.getvalue()


def _reports(view: ReaderView) -> None:
    st.subheader("Reports", anchor=False)
    st.caption(f"One HTML file that opens without a network, with pictures of the {PICTURES} worst scans, or of one scan.")
    key = f"report-{_file_name(view)}"
    if st.button("Make the round's report", icon=":material/summarize:", disabled=is_work_running(key)):
        start_work(key, "Drawing", partial(_round_report, view))
    page = result_of(key)
    if page:
        name = f"{_file_name(view)}-round.html"
        st.download_button("Download the round's report", page, name, "text/html", icon=":material/download:", on_click="ignore")
    scan = st.selectbox("Report of one scan", view.table.names, key="report_scan", width=320)
    st.download_button(
        "Download the scan's report",
        lambda: scan_report(workspace(), view.evaluation, scan, view.review(scan)),
        file_name=f"{view.evaluation.run}-{scan}.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
        key="scan_report",
    )


def _round_report(view: ReaderView, progress: ReportProgress) -> str:
    return round_report(workspace(), view.evaluation, view.reviews, blind=view.settings.blind, progress=progress)


def _masks(view: ReaderView) -> None:
    st.subheader("Corrected masks", anchor=False)
    accepted = st.toggle("Include predictions that every reader accepted", key="masks_accepted")
    masks = final_masks(view.evaluation, view.reviews, accepted=accepted)
    drawn = sum(each.kind == "correction" for each in masks.values())
    st.caption(f"{counted(drawn, 'corrected scan')}, {counted(len(masks) - drawn, 'accepted prediction')}.")
    if not masks:
        st.info("There are no masks to export: correct a scan, or take accepted predictions too.", icon=":material/brush:")
        return
    _files(view, masks)
    _dataset(view, masks)
    _run_lengths(view, masks)


def _files(view: ReaderView, masks: dict[str, FinalMask]) -> None:
    """All of them as files for other programs, in one zip."""
    fmt = st.segmented_control(
        "Files for other programs",
        list(FORMATS),
        default="nifti",
        required=True,
        format_func=FORMATS.__getitem__,
        key="files_format",
    )
    key = f"files-{_file_name(view)}-{fmt}"
    if st.button("Write the files", icon=":material/save:", key="files_write", disabled=is_work_running(key)):
        start_work(key, "Writing", partial(zip_of_masks, view.store, view.evaluation, masks, fmt))
    written: tuple[bytes, dict[str, str]] | None = result_of(key)
    if written is None:
        return
    content, problems = written
    if problems:
        scan, why = next(iter(problems.items()))
        st.warning(
            f"{counted(len(problems), 'scan')} left out, such as {escape_markdown(scan)}: {escape_links(why)}",
            icon=":material/warning:",
        )
    name = f"{_file_name(view)}-{fmt}.zip"
    st.download_button("Download the files", content, name, "application/zip", icon=":material/download:", on_click="ignore")


def _dataset(view: ReaderView, masks: dict[str, FinalMask]) -> None:
    patients = sorted({str(facts["patient"]) for facts in view.evaluation.facts.values()})
    usual = f"{view.evaluation.summary['dataset']['name']}-corrected"
    name = st.text_input("Name of the new data set", usual, max_chars=80, key="dataset_name", width=320)
    held_out = st.multiselect(
        "Validate on these patients, and train on all others",
        patients,
        key="dataset_hold_out",
        placeholder="As in the source",
        width=480,
        help="Left empty, every slice stays on its side.",
    )
    key = f"dataset-{_file_name(view)}"
    if st.button("Write the data set", type="primary", icon=":material/dataset:", disabled=is_work_running(key)):
        try:
            out = workspace().dataset(str(name))
        except WorkspaceError as error:
            st.error(escape_links(str(error)), icon=":material/error:")
            return
        split = SplitConfig(valid_patients=tuple(held_out)) if held_out else None
        start_work(key, "Writing slices", partial(_write, view, masks, out, split))
    written: Prepared | None = result_of(key)
    if written is not None:
        st.success(f"Written: {escape_markdown(str(written.root))}", icon=":material/check_circle:")
        st.code(f"python -m training fit --data {written.root.name} --workspace {workspace().root}", language="bash")


def _write(
    view: ReaderView, masks: dict[str, FinalMask], out: Path, split: SplitConfig | None, progress: ReportProgress
) -> Prepared:
    return write_corrected_dataset(workspace(), view.evaluation, masks, out, name=out.name, split=split, progress=progress)


def _run_lengths(view: ReaderView, masks: dict[str, FinalMask]) -> None:
    key = f"rle-{_file_name(view)}"
    if st.button("Make run lengths", icon=":material/table:", disabled=is_work_running(key), help="The competition's CSV."):
        opened = workspace()
        start_work(key, "Coding", lambda _: run_length_csv(opened, view.evaluation, masks))
    coded = result_of(key)
    if coded:
        name = f"{_file_name(view)}-masks.csv"
        st.download_button("Download run lengths", coded, name, "text/csv", icon=":material/download:", on_click="ignore")


def _file_name(view: ReaderView) -> str:
    return f"{view.evaluation.run}-{view.evaluation.name}"
