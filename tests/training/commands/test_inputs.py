"""What `predict` finds in files, folders, zips and data sets, and which results it would confuse."""

import shutil
import unicodedata
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from core.data.images import write_png
from core.data.index import DatasetIndex
from core.data.manifest import DatasetManifest
from core.errors import GutCheckError
from core.storage.files import write_json
from tests.core.data.readers.odd_files import ODD_FILES, grey, series
from training.commands.checked import check_inputs, refuse_problems
from training.commands.inputs import open_inputs


def names(source: Path, split: str = "") -> tuple[list[str], list[str]]:
    """Names of the pictures and of the volumes that were found."""
    with open_inputs(source, split) as inputs:
        return [each.name for each in inputs.pictures], [each.name for each in inputs.volumes]


def fill(folder: Path) -> Path:
    """Pictures, volumes, a series below, and what is passed over."""
    (folder / "dicom" / "series").mkdir(parents=True)
    series(folder / "dicom" / "series")
    for name in ("a.png", "B.PNG", "._a.png", "notes.txt.png"):
        write_png(folder / name, grey())
    nib.Nifti1Image(grey(shape=(20, 18, 3)), np.eye(4)).to_filename(folder / "v.nii.gz")
    shutil.copy(folder / "v.nii.gz", folder / "W.NII.GZ")
    (folder / "report.txt").write_text("text")
    (folder / "other").mkdir()
    write_png(folder / "other" / "deep.png", grey())
    return folder


def test_a_folder_of_anything(tmp_path: Path):
    pictures, volumes = names(fill(tmp_path))
    assert sorted(pictures) == ["B", "a", "notes.txt"]
    assert sorted(volumes)[:1] == ["W"]
    assert [name for name in volumes if name.startswith("series_")] == [volumes[-1]]
    assert len(volumes) == 3
    with open_inputs(tmp_path) as inputs:
        assert "Doe" not in repr(inputs.volumes)
        assert inputs.volumes[-1].shown == f"{volumes[-1]} (3 DICOM files)"


def test_a_zip_of_a_folder_has_all_that_lies_in_it(tmp_path: Path):
    folder = fill(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    pictures, volumes = names(tmp_path / "a.zip")
    assert sorted(pictures) == ["B", "a", "deep", "notes.txt"]
    assert volumes == names(folder)[1]


def test_single_files(tmp_path: Path):
    fill(tmp_path)
    assert names(tmp_path / "B.PNG") == (["B"], [])
    assert names(tmp_path / "W.NII.GZ") == ([], ["W"])
    assert len(names(tmp_path / "dicom" / "series" / "im1.dcm")[1]) == 1
    # Whatever else is named is a picture that cannot be read.
    assert names(tmp_path / "report.txt") == (["report"], [])


def test_names_are_composed(tmp_path: Path):
    write_png(tmp_path / (unicodedata.normalize("NFD", "Müller") + ".png"), grey())
    assert names(tmp_path)[0] == [unicodedata.normalize("NFC", "Müller")]


@pytest.mark.parametrize("other", ["a.jpg", "A.png", "a.nii.gz"])
def test_two_inputs_of_one_name_are_refused(tmp_path: Path, other: str):
    write_png(tmp_path / "a.png", grey())
    shutil.copy(tmp_path / "a.png", tmp_path / other)
    with pytest.raises(GutCheckError, match=r"^Two inputs have one name: (A|a)\.\S+, (A|a)\.\S+; rename one of them\.$"):
        names(tmp_path)


def test_a_split_of_a_data_set(tiny_index: DatasetIndex):
    stems = {each.name.stem for scan in tiny_index.scans("valid") for each in scan.slices}
    assert set(names(tiny_index.root, "valid")[0]) == stems
    with pytest.raises(GutCheckError, match="no slices in split 'unlabelled'"):
        names(tiny_index.root, "unlabelled")
    with pytest.raises(GutCheckError, match=r"^There are no pictures and no volumes: .*or a data set and --split\.$"):
        names(tiny_index.root)


def test_slices_keep_their_scan_by_the_data_set_s_pattern(tmp_path: Path):
    images = tmp_path / "valid" / "images"
    images.mkdir(parents=True)
    (tmp_path / "valid" / "masks").mkdir()
    for number in (1, 2):
        write_png(images / f"ours-{number}.png", grey())
        write_png(tmp_path / "valid" / "masks" / f"ours-{number}.png", grey() * 0)
    manifest = DatasetManifest("x", pattern="(?P<scan>(?P<patient>[a-z]+))-(?P<slice>[0-9]+)")
    write_json(tmp_path / "dataset.json", manifest.to_json())
    for source, split in ((images, ""), (tmp_path, "valid")):
        with open_inputs(source, split) as inputs:
            assert [(each.scan, each.number) for each in inputs.pictures] == [("ours", 1), ("ours", 2)]


@pytest.mark.parametrize("kind", ["text named .png", "NIfTI of four dimensions", "animated GIF", "DICOM, two in one place"])
def test_what_is_wrong_with_an_input_is_said_before_anything_is_begun(tmp_path: Path, kind: str):
    (tmp_path / "in").mkdir()
    ODD_FILES[kind](tmp_path / "in")
    with open_inputs(tmp_path / "in") as inputs, pytest.raises(GutCheckError) as alone:
        refuse_problems(check_inputs(inputs))
    assert "skip_bad" not in str(alone.value)
    write_png(tmp_path / "in" / "good.png", grey())
    with open_inputs(tmp_path / "in") as inputs:
        checked = check_inputs(inputs)
    assert ([each.name for each in checked.pictures], checked.volumes) == (["good"], ())
    with pytest.raises(GutCheckError, match=r"^One input cannot be used: .*; replace them, or leave them out with --skip_bad\.$"):
        refuse_problems(checked)


def test_files_without_a_series_say_why(tmp_path: Path):
    ODD_FILES["DICOM in colour"](tmp_path)
    with pytest.raises(GutCheckError, match="The DICOM file is in colour"):
        names(tmp_path)
