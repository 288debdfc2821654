"""The scan's outlines as a file for other programs, written beside the page."""

from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.cli.progress import ReportProgress
from core.data.writers.scan_files import FileFormat
from core.reviews.scan_files import What, export_scan
from dashboard.components.common.label_files import FORMATS, NAMING_NO_RUN
from dashboard.components.common.reading import ReaderView
from dashboard.components.common.text import escape_markdown
from dashboard.components.common.work import is_work_running, result_of, start_work

WORK, ASKED = "export_scan", "export_asked"
TITLES: dict[What, str] = {"prediction": "Prediction", "correction": "Correction", "reference": "Reference"}


@dataclass(frozen=True)
class Choice:
    """Which file is meant."""

    run: str
    evaluation: str
    scan: str
    what: What
    fmt: FileFormat
    reader: str | None


def export_panel(view: ReaderView, scan: str) -> None:
    """Choose outlines and format; then a button that writes the file, and one that downloads it.

    A blind round gives no file that names its run, and until a reader's verdict is in no correction but their own.
    """
    with st.popover("Export", icon=":material/download:", type="tertiary"), st.container(width=420):
        choice = _choose(view, scan)
        pressed = st.button(
            "Write the file", key=view.bound("export_write", scan), icon=":material/save:", disabled=is_work_running(WORK)
        )
        if pressed:
            st.session_state[ASKED] = choice
            start_work(WORK, "Writing", partial(_written, view, choice))
        if st.session_state.get(ASKED) == choice:
            _offer(view, scan)
        if view.settings.blind:
            st.caption("DICOM files name the run, so a blind round gives none.")
        else:
            st.caption("Files carry the scan's pseudonym; the command `export --source --key` puts the patient in.")


def _choose(view: ReaderView, scan: str) -> Choice:
    readers = _correctors(view, scan)
    usual: What = "correction" if readers else "prediction"
    what = st.segmented_control(
        "Outlines",
        [what for what in TITLES if what != "correction" or readers],
        default=usual,
        required=True,
        format_func=TITLES.__getitem__,
        key=view.bound(f"export_what_{usual}", scan),  # a new correction is what is meant from then on
    )
    reader = readers[0] if what == "correction" else None
    if what == "correction" and len(readers) > 1:
        reader = st.selectbox("Corrected by", readers, key=view.bound("export_reader", scan))
    formats = list(NAMING_NO_RUN if view.settings.blind else FORMATS)
    fmt = st.segmented_control(
        "Format", formats, default="nifti", required=True, format_func=FORMATS.__getitem__, key=view.bound("export_format", scan)
    )
    return Choice(view.evaluation.run, view.evaluation.name, scan, what, fmt, reader)


def _correctors(view: ReaderView, scan: str) -> list[str]:
    """Who corrected this picture, whoever did it last first, as far as the reader may know."""
    image = view.evaluation.scan_facts(scan)["image_sha256"]
    drawn = [each for each in view.seen(scan).corrections if each.subject.image_sha256 == image]
    return list(dict.fromkeys(each.reader for each in reversed(drawn)))


def _written(view: ReaderView, choice: Choice, _: ReportProgress) -> tuple[str, bytes]:
    return export_scan(view.evaluation, choice.scan, choice.what, choice.fmt, reader=choice.reader)


def _offer(view: ReaderView, scan: str) -> None:
    made: tuple[str, bytes] | None = result_of(WORK)
    if made is None:
        return
    name, content = made
    st.download_button(
        f"Download {escape_markdown(name)}",
        content,
        file_name=name,
        mime="application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
        key=view.bound("export_download", scan),
        help=f"{len(content) / 1e6:.2f} MB, under the scan's pseudonym.",
    )
