"""Colours and blending, by hand."""

import numpy as np
import pytest

from core.overlay import blend, class_statistics, num_to_rgb


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
