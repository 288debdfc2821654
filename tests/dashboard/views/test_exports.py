"""Files for other programs, from *Review* and *Round*: what they hold, what a blind round keeps, failures in a sentence."""

import gzip
import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
from streamlit.testing.v1 import AppTest

from core.data.masks import read_label_volume
from core.reviews.corrections import save_correction
from core.reviews.store.events import Verdict
from core.storage.workspace import Workspace
from dashboard.components.review.export_scan import WORK
from tests.browser.small_workspace import RUN, SCANS
from tests.dashboard.reviewing import button, evaluation_of, one, opened, rendered, set_round, sign_in, subject
from tests.patience import wait_until

SCAN = SCANS[0]


def correct(folder: Path, reader: str, organ: int) -> np.ndarray:
    """A reader gives one slice to an organ."""
    evaluation = evaluation_of(folder)
    volume = read_label_volume(evaluation.paths.mask(SCAN)).copy()
    volume[4] = organ
    with opened(folder) as store:
        save_correction(Workspace(folder), store, evaluation, SCAN, volume, base="prediction", reader=reader, seconds=1)
    return volume


def written(app: AppTest, key: str = WORK) -> AppTest:
    """The page once the file is there, or the reason why it is not."""
    assert not app.exception
    wait_until(app.session_state[f"work-{key}"].future.done)
    return app.run()


def content_of(app: AppTest, key: str = WORK) -> bytes:
    found: tuple[str, bytes] = app.session_state[f"work-{key}"].future.result()
    return found[1]


def labels_of(content: bytes) -> np.ndarray:
    """The label map of a NIfTI file, (z, y, x) as its array lies: no geometry is known here, so nothing was turned."""
    return np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(content)).dataobj)


def downloads(app: AppTest) -> list[str]:
    return [each.label for each in app.get("download_button")]


def test_the_prediction_as_nifti(open_app, folder: Path) -> None:
    app = open_app(folder, "review", case=SCAN)
    assert not any(label.startswith("Download") for label in downloads(app))
    assert "Correction" not in one(app.segmented_control, "export_what_prediction").options
    written(button(app, "export_write").click().run())
    assert f"Download {SCAN}.nii.gz".replace("_", "\\_").replace(".", "\\.") in downloads(app)
    prediction = read_label_volume(evaluation_of(folder).paths.mask(SCAN))
    assert sorted(labels_of(content_of(app)).ravel()) == sorted(prediction.ravel())
    one(app.segmented_control, "export_format").set_value("png").run()
    assert not any(label.startswith("Download") for label in downloads(app))  # that is another file


def test_a_correction_is_the_one_of_the_reader_chosen(open_app, folder: Path) -> None:
    first, last = correct(folder, "Ada", 1), correct(folder, "Bo", 2)
    app = open_app(folder, "review", case=SCAN)
    assert one(app.segmented_control, "export_what_correction").value == "correction"
    written(button(app, "export_write").click().run())
    assert (labels_of(content_of(app)) == 2).sum() == (last == 2).sum()
    one(app.selectbox, "export_reader").set_value("Ada").run()
    written(button(app, "export_write").click().run())
    assert (labels_of(content_of(app)) == 1).sum() == (first == 1).sum()


def test_what_cannot_be_written_is_one_sentence_in_the_page(open_app, folder: Path) -> None:
    app = open_app(folder, "review", case=SCAN)
    one(app.segmented_control, "export_format").set_value("dicom-seg").run()
    written(button(app, "export_write").click().run())
    assert "has to say where the scan lies in the patient, and nobody knows: case2_day0; export nifti" in app.error[0].value
    assert not any(label.startswith("Download") for label in downloads(app))
    one(app.segmented_control, "export_format").set_value("nifti").run()
    assert not app.error


def test_a_blind_round_gives_no_file_that_names_the_run_nor_anothers_correction(open_app, folder: Path) -> None:
    set_round(folder, name="Spring", readers_per_scan=2, blind=True)
    correct(folder, "Ada", 1)
    app = sign_in(open_app(folder, "review", case=SCAN), "Bo")
    offered = [one(app.segmented_control, name).options for name in ("export_what_prediction", "export_format")]
    assert offered == [["Prediction", "Reference"], ["NIfTI", "PNG"]]
    written(button(app, "export_write").click().run())
    assert RUN not in rendered(app)
    assert "Ada" not in rendered(app)
    with opened(folder) as store:
        store.add_verdict(subject(folder, SCAN), reader="Bo", verdict=Verdict.ACCEPT)
    app = sign_in(open_app(folder, "review", case=SCAN), "Bo")
    assert "Correction" in one(app.segmented_control, "export_what_correction").options


def test_a_round_gives_all_corrected_scans_in_one_zip(open_app, folder: Path) -> None:
    volume = correct(folder, "Ada", 3)
    app = open_app(folder, "round_page", section="out")
    app.button(key="files_write").click().run()
    key = f"files-{RUN}-small-valid-nifti"
    written(app, key)
    assert "Download the files" in downloads(app)
    packed, problems = app.session_state[f"work-{key}"].future.result()
    archive = zipfile.ZipFile(io.BytesIO(packed))
    assert (archive.namelist(), problems) == ([f"{SCAN}.nii.gz"], {})
    assert (labels_of(archive.read(f"{SCAN}.nii.gz")) == 3).sum() == (volume == 3).sum()
    app.segmented_control(key="files_format").set_value("png").run()
    app.button(key="files_write").click().run()
    written(app, f"files-{RUN}-small-valid-png")
    packed, _ = app.session_state[f"work-files-{RUN}-small-valid-png"].future.result()
    assert len(zipfile.ZipFile(io.BytesIO(packed)).namelist()) == len(volume)


def test_a_round_whose_scans_cannot_be_written_says_why(open_app, folder: Path) -> None:
    correct(folder, "Ada", 3)
    app = open_app(folder, "round_page", section="out")
    app.segmented_control(key="files_format").set_value("rtstruct").run()
    app.button(key="files_write").click().run()
    written(app, f"files-{RUN}-small-valid-rtstruct")
    assert "has to say where the scan lies in the patient, and nobody knows: case2_day0; export nifti" in app.error[0].value
    assert "Download the files" not in downloads(app)
