"""Small pictures: every slice of a scan under one display window."""

from pathlib import Path

import numpy as np
import pytest

from core.data.images import Window, volume_window, write_png
from core.data.index import load_index
from core.data.masks import read_mask
from core.errors import ImageError
from core.imaging.thumbnails import SIDE, day_pictures, outlined, slice_picture, window_of
from core.runs.registry import Evaluation, open_run
from tests.browser.small_workspace import SCANS


@pytest.fixture
def uneven(small_copy: Path) -> Evaluation:
    """Scans whose slices grow brighter, as towards a coil: a window of each slice's own would make them alike."""
    evaluation = open_run(small_copy / "runs" / "stub").evaluation("small-valid")
    for scan in SCANS:
        for z, each in enumerate(load_index(evaluation.dataset_root).scan("valid", scan).slices):
            write_png(each.image, np.full(read_mask(each.mask).shape, 10 * z, np.uint8))
    return evaluation


def test_a_day_s_pictures_have_the_window_of_the_whole_scan(uneven: Evaluation) -> None:
    scan = load_index(uneven.dataset_root).scan("valid", SCANS[0])
    window = volume_window(scan.read_image(check=False))
    for position in (0, 6, 11):
        reference, _ = day_pictures(uneven, SCANS[0], position)
        plane = window.apply(scan.read_image(check=False)[position])
        np.testing.assert_array_equal(reference, outlined(plane, read_mask(scan.slices[position].mask)))


def test_the_grid_s_slices_of_a_scan_share_a_window(uneven: Evaluation) -> None:
    root, scan = uneven.dataset_root, load_index(uneven.dataset_root).scan("valid", SCANS[1])
    window = window_of(root, "valid", SCANS[1])
    means = [slice_picture(root, "valid", each.image.stem, window, side=SIDE).mean() for each in scan.slices]
    # The slices' grey values are 10 apart; outlines and tints are alike on all slices that have them.
    assert means[-1] - means[0] > 100
    assert window == volume_window(scan.read_image(check=False))


def test_a_damaged_slice_does_not_take_its_neighbours_pictures(uneven: Evaluation) -> None:
    scan = load_index(uneven.dataset_root).scan("valid", SCANS[0])
    scan.slices[3].image.write_bytes(b"no picture")
    # Eleven slices of 0 to 110: the 0.5th and the 99.5th percentile lie within the first and the last.
    assert window_of(uneven.dataset_root, "valid", SCANS[0]) == Window(0, 110)
    for each in scan.slices:
        each.image.write_bytes(b"no picture")
    with pytest.raises(ImageError):
        window_of(uneven.dataset_root, "valid", SCANS[0])
