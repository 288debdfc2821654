"""Pixels of DICOM slices: every compression gives the same, and grey values mean what the headers say."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from core.data.readers import dicom_files
from core.data.readers.dicom import read_series
from core.data.readers.dicom_pixels import ZERO_SLOPE
from core.errors import ImageError
from tests.core.data.readers.odd_files import SHAPE, dicom_slice, grey, series

PACKAGED = Path(pydicom.data.__file__).parent / "test_files"


def values(paths: list[Path]) -> np.ndarray:
    """What the volume's pixels stand for."""
    volume = read_series(paths)
    return volume.pixels * volume.grey.slope + volume.grey.intercept


def deflated(path: Path) -> Path:
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, ExplicitVRBigEndian])
def test_every_compression_gives_the_same(syntax: str, tmp_path: Path) -> None:
    paths = series(tmp_path)
    plain = values(paths)
    for path in paths:
        dataset = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
            dataset.file_meta.TransferSyntaxUID = syntax
            pydicom.dcmwrite(path, dataset, little_endian=False, implicit_vr=False)
        else:
            dataset.compress(syntax, generate_instance_uid=False)
            dataset.save_as(path)
    np.testing.assert_array_equal(values(paths), plain)


def test_jpeg_lossless(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    writer, pixels = sitk.ImageFileWriter(), grey().astype(np.uint16) * 16
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(pixels))
    assert "JPEG Lossless" in pydicom.dcmread(tmp_path / "a.dcm").file_meta.TransferSyntaxUID.name
    np.testing.assert_array_equal(values([tmp_path / "a.dcm"])[0], pixels)


def test_deflated_and_a_bomb_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = values(series(tmp_path))
    paths = [deflated(path) for path in series(tmp_path)]
    np.testing.assert_array_equal(values(paths), plain)
    monkeypatch.setattr(dicom_files, "MAX_INFLATED", 2000)
    with pytest.raises(ImageError, match="The DICOM file is damaged: "):
        read_series(paths[-1:])


def test_a_picture_may_not_be_larger_than_its_header_says(tmp_path: Path) -> None:
    # JPEG-LS of 64×64 whose stated height is 0: a decoder that trusts it goes on for ever.
    dataset = pydicom.dcmread(PACKAGED / "MR_small_jpeg_ls_lossless.dcm")
    stream = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    for height in (b"\x00\x00", b"\xff\xff"):
        at = stream.index(b"\xff\xf7") + 5
        dataset.PixelData = encapsulate([stream[:at] + height + stream[at + 2 :]])
        dataset.save_as(tmp_path / "a.dcm")
        with pytest.raises(ImageError, match="The DICOM file's compressed picture has another size than its header says: "):
            read_series([tmp_path / "a.dcm"])


def one(path: Path, pixels: np.ndarray, number: int = 0, **tags: Any) -> Path:
    return dicom_slice(path, number, pixels.astype(np.uint16), **tags)


def test_rescaling_keeps_every_stored_value(tmp_path: Path) -> None:
    plain = values(series(tmp_path))
    for slope, intercept in ((2, -50), (0.25, 3.5), (-1, 0), (1, -1024)):
        scaled = values(series(tmp_path, RescaleSlope=slope, RescaleIntercept=intercept))
        np.testing.assert_allclose(scaled, plain * slope + intercept)


def test_slices_with_their_own_scales(tmp_path: Path) -> None:
    pixels = grey().astype(np.uint16)
    paths = [one(tmp_path / f"{n}.dcm", pixels, n, RescaleSlope=n + 1, RescaleIntercept=-n) for n in range(3)]
    # From the head: slices 2, 1, 0.
    np.testing.assert_array_equal(values(paths), np.stack([pixels * (n + 1.0) - n for n in (2, 1, 0)]))


def test_a_slope_of_zero_is_one_and_said(tmp_path: Path) -> None:
    plain = values(series(tmp_path))
    paths = series(tmp_path, RescaleSlope=0, RescaleIntercept=-5)
    np.testing.assert_array_equal(values(paths), plain)
    assert read_series(paths).notes == (ZERO_SLOPE,)


def test_inverse_grey_in_some_files_only(tmp_path: Path) -> None:
    pixels = np.stack([grey(n).astype(np.uint16) for n in range(3)])
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    paths = [one(tmp_path / f"{n}.dcm", plane, n) for n, plane in enumerate(pixels)]
    one(paths[1], 4095 - pixels[1], 1, **inverse)
    np.testing.assert_array_equal(values(paths), pixels[::-1])
    whole = [one(tmp_path / f"{n}.dcm", plane, n, PhotometricInterpretation="MONOCHROME1") for n, plane in enumerate(pixels)]
    np.testing.assert_array_equal(values(whole), 65_535 - pixels[::-1].astype(int))


@pytest.mark.parametrize("some_only", [False, True])
def test_padding_is_left_out(some_only: bool, tmp_path: Path) -> None:
    planes = [100 + grey(n).astype(np.uint16) for n in range(3)]
    plain = values([one(tmp_path / f"p{n}.dcm", plane, n) for n, plane in enumerate(planes)])
    paths = []
    for n, plane in enumerate(planes):
        padded, tags = plane.copy(), {}
        if n < 1 or not some_only:
            padded[:5], tags = 63_536, {"PixelPaddingValue": 63_000, "PixelPaddingRangeLimit": 65_535}
        paths.append(one(tmp_path / f"{n}.dcm", padded, n, **tags))
    volume = read_series(paths)
    count = 5 * SHAPE[1] * (1 if some_only else 3)
    assert volume.grey.padding == count
    shown = volume.pixels * volume.grey.slope + volume.grey.intercept
    np.testing.assert_array_equal(shown[:, 5:], plain[:, 5:])
    assert shown.max() <= plain.max()
    assert f"{count:,} voxels are padding" in volume.notes[0]


def test_padding_that_is_stated_without_its_sign(tmp_path: Path) -> None:
    pixels = grey().astype(np.int16) - 100
    pixels[:5] = -2000
    path = one(tmp_path / "a.dcm", pixels.view(np.uint16), PixelRepresentation=1)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", 65_536 - 2000)
    dataset.save_as(path)
    assert read_series([path]).grey.padding == 5 * SHAPE[1]


@pytest.mark.parametrize("cut", [1, 100, 3000])
def test_a_file_that_ends_too_soon(cut: int, tmp_path: Path) -> None:
    path = series(tmp_path, 1)[0]
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ImageError, match=f"The DICOM file is damaged: {path}; export it again."):
        read_series([path])
