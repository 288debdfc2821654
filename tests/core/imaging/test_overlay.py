"""Colours and blending, by hand."""

import numpy as np
import pytest

from core.imaging.overlay import ERROR_COLOURS, blend, class_statistics, num_to_rgb
from tests.core.imaging.references import error_map


def test_classes_to_colours() -> None:
    rgb = num_to_rgb(np.array([[0, 1], [2, 3]], np.uint8))
    np.testing.assert_array_equal(rgb, [[[0, 0, 0], [0, 0, 255]], [[0, 255, 0], [255, 0, 0]]])
    assert rgb.dtype == np.uint8


def test_blend_by_hand() -> None:
    image = np.array([[100, 100, 100, 100]], np.uint8)
    labels = np.array([[0, 1, 2, 3]], np.uint8)
    # 0.6 * 100 = 60, and 0.4 * 255 = 102 on the organ's own channel.
    expected = [[[100, 100, 100], [60, 60, 162], [60, 162, 60], [162, 60, 60]]]
    np.testing.assert_array_equal(blend(image, labels, opacity=0.4), expected)


@pytest.mark.parametrize(("grey", "rounded"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_ties_go_to_even(grey: int, rounded: int) -> None:
    # Halves of odd greys: 0.5, 1.5, 2.5, 3.5.
    mixed = blend(np.array([[grey]], np.uint8), np.array([[3]], np.uint8), opacity=0.5)
    assert mixed[0, 0, 1] == rounded
    assert mixed[0, 0, 0] == np.rint((255 + grey) / 2)


def test_only_the_organs_asked_for_are_drawn() -> None:
    image, labels = np.full((1, 3), 9, np.uint8), np.array([[1, 2, 3]], np.uint8)
    np.testing.assert_array_equal(blend(image, labels, opacity=1, organs={2}), [[[9, 9, 9], [0, 255, 0], [9, 9, 9]]])


def test_background_is_never_drawn() -> None:
    drawn = blend(np.full((1, 1), 80, np.uint8), np.zeros((1, 1), np.uint8), opacity=1, organs=[0, 1])
    np.testing.assert_array_equal(drawn, [[[80, 80, 80]]])


def test_the_image_itself_stays() -> None:
    image = np.full((4, 4), 80, np.uint8)
    blend(image, np.ones((4, 4), np.uint8), opacity=0.5)
    assert (image == 80).all()


def test_class_statistics() -> None:
    table = class_statistics(np.array([[0, 0, 0, 1], [0, 3, 3, 3]], np.uint8))
    assert [row["pixels"] for row in table] == [4, 1, 0, 3]
    assert [row["percent"] for row in table] == [50.0, 12.5, 0.0, 37.5]


REFERENCE = np.array([[0, 1, 1, 0, 2, 3]], np.uint8)
PREDICTION = np.array([[0, 1, 0, 3, 3, 3]], np.uint8)
KINDS = [0, 1, 2, 3, 4, 1]


def test_the_error_map_by_hand() -> None:
    found = error_map(REFERENCE, PREDICTION)
    np.testing.assert_array_equal(found, [KINDS])
    assert found.dtype == np.uint8


MACHADO = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Linear RGB as seen with each colour blindness, severity 1: Machado, Oliveira and Fernandes 2009, table 1."""
LINEAR_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(rgb: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of sRGB colours (N, 3) as seen through a matrix."""
    share = np.asarray(rgb) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ seen.T, 0, 1) @ LINEAR_TO_XYZ.T / [0.9505, 1, 1.089]
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=-1)


@pytest.mark.parametrize("kind", ["normal", *MACHADO])
@pytest.mark.parametrize("grey", [40, 110, 180])
def test_error_colours_stay_apart_for_colour_blind_readers(kind: str, grey: int) -> None:
    seen = np.array(MACHADO.get(kind, np.eye(3)))
    mixed = np.array([(0.55 * grey + 0.45 * np.array(each.rgb)) for each in ERROR_COLOURS])
    colours = lab(np.vstack([mixed, [[grey] * 3]]), seen)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    # 2.3 is just noticeable; four times that is told apart at a glance.
    assert distances[np.triu_indices(len(colours), 1)].min() > 9.2
