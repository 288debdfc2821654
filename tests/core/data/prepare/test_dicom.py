"""`prepare dicom`: series under pseudonyms, what was drawn on them as the reference, and nothing of the patient kept."""

import json
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from core.config import SplitConfig
from core.data.index import UNLABELLED, load_index
from core.data.prepare.dicom import UNNAMED, FoundSeries, list_dicom, prepare_dicom
from core.data.prepare.key_file import read_key
from core.data.readers.label_files import LabelTable
from core.errors import ConfigError, DatasetError, MaskError
from tests.core.data.prepare.dicom_study import drawn_on, labels, scan, study
from tests.core.data.readers.odd_files import UID, grey

SPLIT = SplitConfig(0.5, seed=1, split_by="slice")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    study(folder)
    return folder


@pytest.fixture
def source(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUTCHECK_WORKSPACE", str(tmp_path / "ws"))
    return Path(shutil.copytree(written, tmp_path / "in"))


def out(tmp_path: Path, name: str = "mr") -> Path:
    return tmp_path / "ws" / "datasets" / name


def found_in(source: Path, tmp_path: Path) -> FoundSeries:
    return list_dicom(source, out=out(tmp_path))


def test_the_list_names_nobody(source: Path, tmp_path: Path) -> None:
    found = found_in(source, tmp_path)
    jane, again, other = found.lines
    assert jane.patient == again.patient != other.patient
    assert [line.scan for line in found.lines] == [f"{jane.patient}_day0", f"{jane.patient}_day7", f"{other.patient}_day0"]
    kept = read_key(found.key).patients[jane.patient]
    assert (kept.patient_id, kept.first_study) == ("PX4711", "2020-01-10")
    assert -3650 < kept.shift_days <= -365
    days = np.datetime64(again.date) - np.datetime64(jane.date)
    assert (days.astype(int), (np.datetime64(jane.date) - np.datetime64("2020-01-10")).astype(int)) == (7, kept.shift_days)
    assert jane.to_json() == {
        "series": UID + "4.1", "scan": jane.scan, "patient": jane.patient, "date": jane.date, "modality": "MR",
        "sequence": "GR 3D TR 4.1 ms", "slices": 6, "size": [40, 48], "spacing_mm": [3.0, 2.0, 2.0], "orientation": "IPL",
        "masks": 1, "problem": None,
    }  # fmt: skip
    assert found.notes == ()


def test_masks_become_references_and_the_rest_is_unlabelled(source: Path, tmp_path: Path) -> None:
    found = found_in(source, tmp_path)
    made = prepare_dicom(found, out(tmp_path), split=SPLIT, chosen="all")
    assert made.slices == {"train": 6, "valid": 6, UNLABELLED: 6}
    index = load_index(made.root)
    manifest = index.manifest
    for line in found.lines[:2]:
        scans = [scan for split in ("train", "valid") for scan in index.splits[split] if scan.id == line.scan]
        by_number = {each.name.number: each for scan in scans for each in scan.slices}
        read = [by_number[number].read() for number in range(1, 7)]
        np.testing.assert_array_equal(np.stack([mask for _, mask in read]), labels())
        np.testing.assert_array_equal(np.stack([image for image, _ in read]), np.stack([grey(n) for n in range(6)])[::-1])
        assert manifest.scans[line.scan].notes == ("The reference holds stomach, large bowel.",)
    (unlabelled,) = index.scans(UNLABELLED)
    assert (unlabelled.id, unlabelled.has_reference, len(unlabelled.slices)) == (found.lines[2].scan, False, 6)
    info = manifest.scans[found.lines[0].scan]
    assert info.dicom is not None
    assert info.dicom.instance_uids == tuple(f"{UID}5.1.{n}" for n in range(5, -1, -1))
    assert (info.grid.orientation, info.spacing_mm, info.patient) == ("IPL", (3.0, 2.0, 2.0), found.lines[0].patient)


def test_two_days_of_a_patient_stay_on_one_side(source: Path, tmp_path: Path) -> None:
    drawn_on(sorted((source / "c").iterdir()), source / "c" / "rs.dcm", "rtstruct")
    made = prepare_dicom(found_in(source, tmp_path), out(tmp_path), split=SplitConfig(0.5, seed=1), chosen="all")
    assert made.patients == {"train": 1, "valid": 1}
    assert sorted(made.slices.values()) == [6, 12]


def test_choosing(source: Path, tmp_path: Path) -> None:
    found = found_in(source, tmp_path)
    with pytest.raises(DatasetError, match=r"^The folder holds 3 series; choose with --series UID,… or --series all; --list s"):
        prepare_dicom(found, out(tmp_path), split=SPLIT)
    with pytest.raises(DatasetError, match=r"^The folder has no such series: 1\.2\.3; choose from those that --list shows\.$"):
        prepare_dicom(found, out(tmp_path), split=SPLIT, chosen="1.2.3")
    assert not out(tmp_path).exists()
    by_uid = prepare_dicom(found, out(tmp_path), split=SPLIT, chosen=f"{UID}4.1, {found.lines[2].scan}")
    assert set(by_uid.manifest.scans) == {found.lines[0].scan, found.lines[2].scan}
    alone = list_dicom(source / "c", out=out(tmp_path))
    assert alone.lines[0].patient == found.lines[2].patient
    assert prepare_dicom(alone, out(tmp_path, "one"), split=SPLIT).slices == {UNLABELLED: 6}


def test_a_series_that_cannot_be_read(source: Path, tmp_path: Path) -> None:
    scan(source / "d", "im", 8, "PX0815", "20200110", ImagePositionPatient=[0, 0, 0])
    found = found_in(source, tmp_path)
    broken = found.lines[3]
    assert str(broken.problem).startswith("Two slices of the series lie in one place: 6 files; ")
    with pytest.raises(DatasetError, match="Two slices of the series lie in one place"):
        prepare_dicom(found, out(tmp_path), split=SPLIT, chosen=broken.series.uid)
    made = prepare_dicom(found, out(tmp_path), split=SPLIT, chosen="all")
    assert broken.scan not in made.manifest.scans
    assert made.manifest.notes[0] == "Series of the folder that cannot be prepared: 1; --list says why."


def test_several_series_of_a_day_are_numbered(source: Path, tmp_path: Path) -> None:
    scan(source / "d", "im", 8, "PX0815", "20200110", StudyInstanceUID=UID + "3.3")
    lines = found_in(source, tmp_path).lines
    assert [line.scan.rpartition("_")[2] for line in lines[2:]] == ["s1", "s2"]


def test_an_earlier_study_moves_the_days(source: Path, tmp_path: Path) -> None:
    later = list_dicom(source / "b", out=out(tmp_path))
    assert later.lines[0].scan.endswith("_day0")
    found = found_in(source, tmp_path)
    assert found.lines[1].scan == f"{later.lines[0].patient}_day7"
    assert found.notes == (
        "Patients of whom an earlier study than any before was found: 1; days of other data sets begin later.",
    )


def test_files_without_an_id_or_a_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUTCHECK_WORKSPACE", str(tmp_path / "ws"))
    for series in (1, 2):
        scan(tmp_path / "in" / str(series), "im", series, "", "")
    found = found_in(tmp_path / "in", tmp_path)
    assert len({line.patient for line in found.lines}) == 2
    assert [(line.scan, line.date) for line in found.lines] == [(line.patient, "") for line in found.lines]
    assert found.notes == ("Series without a patient's ID: 2; each of their studies counts as a patient.",)
    made = prepare_dicom(found, out(tmp_path), split=SPLIT, chosen="all")
    assert load_index(made.root).patients(UNLABELLED) == {line.patient for line in found.lines}


def test_missing_slices_leave_gaps_in_images_and_masks(source: Path, tmp_path: Path) -> None:
    (source / "a" / "im-3").unlink()
    found = list_dicom(source / "a", out=out(tmp_path))
    made = prepare_dicom(found, out(tmp_path), split=SPLIT)
    index = load_index(made.root)
    slices = {each.name.number: each for split in ("train", "valid") for scan in index.splits[split] for each in scan.slices}
    # File n is slice 6 - n from the head.
    assert sorted(slices) == [1, 2, 4, 5, 6]
    for number, each in slices.items():
        np.testing.assert_array_equal(each.read()[1], labels()[number - 1])


def test_two_files_with_one_organ_are_refused_and_with_two_joined(source: Path, tmp_path: Path) -> None:
    stomach, bowel = (np.where(labels() == organ, labels(), 0).astype(np.uint8) for organ in (1, 3))
    series = [path for path in sorted((source / "a").iterdir()) if path.name.startswith("im")]
    (source / "a" / "rs.dcm").unlink()
    drawn_on(series, source / "a" / "s.dcm", "seg", stomach)
    drawn_on(series, source / "a" / "b.dcm", "rtstruct", bowel)
    made = prepare_dicom(list_dicom(source / "a", out=out(tmp_path)), out(tmp_path), split=SPLIT)
    (info,) = made.manifest.scans.values()
    assert info.notes == ("The reference holds stomach, large bowel.",)
    drawn_on(series, source / "a" / "rs.dcm", "rtstruct", bowel)
    with pytest.raises(
        DatasetError, match=r"Two files hold the large bowel of one series: b\.dcm, rs\.dcm; remove one of them\."
    ):
        prepare_dicom(list_dicom(source / "a", out=out(tmp_path)), out(tmp_path, "two"), split=SPLIT)
    assert not out(tmp_path, "two").exists()


def name_structures(path: Path, *names: str) -> None:
    """Give a structure set's structures names alone, without codes."""
    import pydicom

    dataset = pydicom.dcmread(path)
    for roi, name in zip(dataset.StructureSetROISequence, names, strict=True):
        roi.ROIName = name
    for each in dataset.RTROIObservationsSequence:
        del each.RTROIIdentificationCodeSequence
    dataset.save_as(path)


def test_other_names_need_a_map_and_are_not_shown(source: Path, tmp_path: Path) -> None:
    name_structures(source / "a" / "rs.dcm", "Doe stomach", "x", "Doe colon")
    found = list_dicom(source / "a", out=out(tmp_path))
    unnamed = prepare_dicom(found, out(tmp_path), split=SPLIT)
    assert unnamed.slices == {UNLABELLED: 6}
    assert [info.notes for info in unnamed.manifest.scans.values()] == [(UNNAMED,)]
    mapped = LabelTable.parse("Doe stomach=stomach,doe colon=large_bowel")
    made = prepare_dicom(found, out(tmp_path, "two"), split=SPLIT, table=mapped)
    assert made.slices == {"train": 3, "valid": 3}
    assert "Doe" not in (made.root / "dataset.json").read_text()
    part = prepare_dicom(found, out(tmp_path, "three"), split=SPLIT, table=LabelTable.parse("Doe stomach=stomach"))
    info = next(iter(part.manifest.scans.values()))
    left_out = "1 structure has no name of an organ that is known here and counts as background; name it with --map."
    assert left_out in info.notes


def test_a_map_adds_to_the_names_that_are_known(source: Path, tmp_path: Path) -> None:
    name_structures(source / "a" / "rs.dcm", "Stomach", "x", "jejunum")
    found = list_dicom(source / "a", out=out(tmp_path))
    made = prepare_dicom(found, out(tmp_path), split=SPLIT, table=LabelTable.parse("jejunum=small_bowel"))
    assert "The reference holds stomach, small bowel." in next(iter(made.manifest.scans.values())).notes


def test_a_structure_set_on_a_series_that_lies_nowhere(source: Path, tmp_path: Path) -> None:
    scan(source / "a", "im", 1, "PX4711", "20200110", ImagePositionPatient=None)
    with pytest.raises(MaskError, match="The series does not say where it lies, so nothing that was drawn on it can be placed: "):
        prepare_dicom(list_dicom(source / "a", out=out(tmp_path)), out(tmp_path), split=SPLIT)


def test_new_identifiers(source: Path, tmp_path: Path) -> None:
    found = found_in(source, tmp_path)
    made = prepare_dicom(found, out(tmp_path), split=SPLIT, chosen="all", new_uids=True)
    assert UID not in (made.root / "dataset.json").read_text()
    info, uids = made.manifest.scans[found.lines[0].scan].dicom, read_key(found.key).uids
    assert info is not None
    assert info.instance_uids == tuple(uids[f"{UID}5.1.{n}"] for n in range(5, -1, -1))
    again = prepare_dicom(found, out(tmp_path, "two"), split=SPLIT, chosen="all", new_uids=True)
    assert again.manifest.scans == made.manifest.scans
    assert stat.S_IMODE(found.key.stat().st_mode) == 0o600


def test_the_key_is_never_in_the_workspace(source: Path, tmp_path: Path) -> None:
    assert found_in(source, tmp_path).key == tmp_path / "ws.key.json"
    (tmp_path / "link").symlink_to(tmp_path / "ws")
    for inside in (tmp_path / "ws" / "k.json", tmp_path / "link" / "k.json", out(tmp_path) / "k.json"):
        with pytest.raises(ConfigError, match=r"^The key would lie in the workspace: .*; keep it elsewhere"):
            list_dicom(source, out=out(tmp_path), key=inside)
    with pytest.raises(ConfigError, match="The key would lie in the workspace"):
        list_dicom(source, out=tmp_path / "loose", key=tmp_path / "loose" / "k.json")
    assert list_dicom(source, out=tmp_path / "other" / "datasets" / "a").key == tmp_path / "other.key.json"


def test_what_dataset_json_holds_of_the_series(source: Path, tmp_path: Path) -> None:
    found = list_dicom(source / "c", out=out(tmp_path))
    made = prepare_dicom(found, out(tmp_path), split=SPLIT)
    (stored,) = json.loads((made.root / "dataset.json").read_text())["scans"].values()
    expected = {
        "spacing_mm",
        "native_size",
        "contested_pixels",
        "affine",
        "geometry",
        "dicom",
        "patient",
        "orientation",
        "sheared",
    }
    assert set(stored) == expected
