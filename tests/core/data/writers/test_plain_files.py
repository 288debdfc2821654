"""NIfTI of pictures, nnU-Net's layout, run lengths and PNG files."""

import csv
import io
import json
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np

from core.data.grid import Grid
from core.data.masks import decode_rle
from core.data.volume import GreyScale, LabelVolume, Volume
from core.data.writers.nifti import nifti_bytes
from core.data.writers.nnunet import case_files, dataset_json
from core.data.writers.png import png_files
from core.data.writers.run_lengths import run_length_table
from core.labels import ORGAN_NAMES

GRID = Grid.of(np.diag([-3.0, 1.25, 0.8, 1.0])[[2, 1, 0, 3]])


def test_a_picture_keeps_its_values_and_the_same_picture_gives_the_same_bytes(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    content = nifti_bytes(Volume(pixels, GRID, GreyScale(0.5, -7.0)))
    assert content == nifti_bytes(Volume(pixels, GRID, GreyScale(0.5, -7.0)))
    (tmp_path / "x.nii.gz").write_bytes(content)
    image = nib.load(tmp_path / "x.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj), pixels.transpose(2, 1, 0) * 0.5 - 7)
    # 0.8 mm to the left is -0.8 mm to the right, 1.25 to the back is -1.25 to the front; slices lead to the feet.
    assert np.allclose(image.affine, np.diag([-0.8, -1.25, -3.0, 1.0]))


def test_nnunet_case() -> None:
    volume = np.zeros((2, 3, 4), np.uint8)
    files = case_files("case7_day0", Volume(volume, GRID), LabelVolume(volume, GRID))
    assert list(files) == ["imagesTr/case7_day0_0000.nii.gz", "labelsTr/case7_day0.nii.gz"]
    about = json.loads(dataset_json("bowel", 3))
    assert about["labels"] == {"background": 0, "stomach": 1, "small_bowel": 2, "large_bowel": 3}
    assert (about["numTraining"], about["file_ending"], list(about["channel_names"])) == (3, ".nii.gz", ["0"])


def test_run_lengths_and_png() -> None:
    labels = np.random.default_rng(0).integers(0, 4, (2, 5, 6)).astype(np.uint8)
    names = ["=case7_slice_0001", "case7_slice_0002"]
    rows = list(csv.DictReader(io.StringIO(run_length_table([(names, labels)]).decode())))
    assert [row["id"] for row in rows] == ["'=case7_slice_0001"] * 3 + ["case7_slice_0002"] * 3
    for position, row in enumerate(rows):
        organ = ORGAN_NAMES.index(row["class"]) + 1
        assert np.array_equal(decode_rle(row["segmentation"], (5, 6)), labels[position // 3] == organ)
    files = dict(png_files(["a", "b"], labels))
    assert list(files) == ["a_mask.png", "b_mask.png"]
    for plane, content in zip(labels, files.values(), strict=True):
        assert np.array_equal(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED), plane)
