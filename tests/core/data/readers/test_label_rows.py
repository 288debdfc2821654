"""Tables that name truth, prediction and image: volumes and slices, and one sentence for each way in which they are wrong."""

from pathlib import Path

import pytest

from core.data.readers.label_pairs import PNG, VOLUME
from core.data.readers.label_rows import read_table
from core.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("t/a.nii.gz", "p/a b.NII.GZ", "i/a.nii", "t/1.png", "t/2.png", "t/x.png", "p/1_mask.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "table.csv").write_text(text, encoding=encoding)
    return folder / "table.csv"


def test_volumes(folder: Path) -> None:
    text = "Scan,note,Prediction,reference,image,patient\n\ns1,x,p/a b.NII.GZ,t/a.nii.gz,i/a.nii,case7\n"
    found = read_table(table(folder, text, "utf-8-sig"))
    assert (found.kind, found.patients) == (VOLUME, {"s1": "case7"})
    assert found.files == {"s1": (folder / "t/a.nii.gz", folder / "p/a b.NII.GZ", folder / "i/a.nii")}


def test_slices_are_numbered_by_their_names(folder: Path) -> None:
    found = read_table(table(folder, "scan,reference,prediction\ns1,t/2.png,p/1_mask.png\ns1,t/1.png,p/1_mask.png\n"))
    assert (found.kind, list(found.files), found.patients) == (PNG, ["s1_slice_0002", "s1_slice_0001"], {})
    assert list(read_table(table(folder, "scan,reference,prediction\ns1,t/x.png,t/x.png\n")).files) == ["s1_slice_0001"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The table has no column scan, reference, prediction: "),
        ("scan,truth,prediction\ns1,a,b\n", "The table has no column reference: "),
        ("scan,reference,prediction\n", "The table has no rows: "),
        ("scan,reference,prediction\ns1,,t/1.png\n", "Row 2 of the table has no reference: "),
        ("scan,reference,prediction\ns1,t/9.png,t/1.png\n", "The reference in row 2 of the table does not exist: t/9.png; "),
        ("scan,reference,prediction\ns1,t/1.png,t/a.nii.gz\n", "The table names PNG slices and volumes: "),
        (
            "scan,reference,prediction\ns1,t/1.png,t/1.png\ns1,t/1.png,t/1.png\n",
            "Row 3 of the table states a scan's file again: ",
        ),
        (
            "scan,reference,prediction,patient\ns1,t/1.png,t/1.png,a\ns1,t/2.png,t/1.png,b\n",
            "Row 3 of the table states another patient than an earlier row of its scan: ",
        ),
        (
            "scan,reference,prediction,image\ns1,t/1.png,t/1.png,t/1.png\ns1,t/2.png,t/1.png,\n",
            "Some rows of the table have no image: ",
        ),
        ('scan,reference,prediction\n"s1,t/1.png,t/1.png\n', "The table cannot be read: "),
    ],
)
def test_tables_that_cannot_be_used(folder: Path, text: str, sentence: str) -> None:
    with pytest.raises(DatasetError) as error:
        read_table(table(folder, text))
    assert str(error.value).startswith(sentence)


def test_other_encodings_and_no_table(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"^The table cannot be read: .*; give a CSV file in UTF-8\.$"):
        read_table(table(folder, "scan,reference,prediction\nJürgen,t/1.png,t/1.png", "latin-1"))
    with pytest.raises(DatasetError, match=r"^The table does not exist: "):
        read_table(folder / "no.csv")
