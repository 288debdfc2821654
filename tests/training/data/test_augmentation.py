"""Augmentation, by what comes out of it: how often, how far, how many holes; and that class ids survive."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from training.data.augmentation import seed_transform, training_transform
from training.data.fast_augmentation import FastTransform

SIDE = 160
DRAWS = 1500
Pair = tuple[np.ndarray, np.ndarray]
Draw = Callable[..., Pair]


@pytest.fixture(scope="module", params=[training_transform, FastTransform], ids=["course", "fast"])
def draw(request: pytest.FixtureRequest) -> Draw:
    """Changes a pair by the draws of a number; of the course's loader and of ours, which must not differ."""
    transforms = {clear: request.param(holes_clear_mask=clear) for clear in (False, True)}

    def one(pair: Pair, number: int, *, clear: bool = False) -> Pair:
        seed_transform(transforms[clear], 42, 0, number)
        changed = transforms[clear](image=pair[0], mask=pair[1])
        return changed["image"], changed["mask"]

    return one


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Three organs; grey values are 20 + 40 times the class."""
    mask = np.zeros((96, 96), np.uint8)
    mask[20:50, 20:50], mask[40:70, 55:85], mask[60:90, 10:40] = 1, 2, 3
    return mask * 40 + 20, mask


def cross() -> Pair:
    """Four dots, one class each, in the mask: where they go tells the whole geometric change."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    middle, arm, half = SIDE // 2, 40, 3
    for class_id, (y, x) in {1: (middle, middle + arm), 2: (middle - arm, middle), 3: (middle, middle - arm)}.items():
        mask[y - half : y + half + 1, x - half : x + half + 1] = class_id
    return mask * 60 + 60, mask


@pytest.fixture(scope="module")
def geometry(draw: Draw) -> dict[str, np.ndarray]:
    """What many draws did to the cross: mirrored left-right and up-down, degrees, scale, shift as a share of the side."""
    rows = []
    for number in range(DRAWS):
        _, mask = draw(cross(), number)
        dots = [np.argwhere(mask == class_id).mean(axis=0) for class_id in (1, 2, 3)]
        right, up, left = ((point - (SIDE - 1) / 2)[::-1] * (1, -1) for point in dots)
        along, centre = right - left, (right + left) / 2
        mirrored_x, mirrored_y = along[0] < 0, (up - centre)[1] < 0
        direction = along * (-1 if mirrored_x else 1)
        degrees = np.degrees(np.arctan2(direction[1], direction[0]))
        rows.append((mirrored_x, mirrored_y, degrees, np.hypot(*along) / 80, np.hypot(*(up - centre)) / 40, *centre / SIDE))
    names = ("mirrored_x", "mirrored_y", "degrees", "scale", "scale_y", "shift_x", "shift_y")
    return dict(zip(names, np.asarray(rows, float).T, strict=True))


def test_each_flip_happens_half_of_the_time_and_on_its_own(geometry: dict[str, np.ndarray]):
    x, y = geometry["mirrored_x"], geometry["mirrored_y"]
    # A share of 1500 draws has a standard deviation of 0.013 at a half and 0.011 at a quarter: 0.05 is nearly four of them.
    assert x.mean() == pytest.approx(0.5, abs=0.05)
    assert y.mean() == pytest.approx(0.5, abs=0.05)
    # All four mirror images come up alike; a shared seed once made them come together or not at all.
    assert (x * y).mean() == pytest.approx(0.25, abs=0.05)


def moved(geometry: dict[str, np.ndarray]) -> np.ndarray:
    return abs(geometry["degrees"]) > 0.5


def test_half_of_the_slices_are_moved(geometry: dict[str, np.ndarray]):
    assert moved(geometry).mean() == pytest.approx(0.5, abs=0.05)  # nearly four standard deviations of 1500 draws, as above
    still = ~moved(geometry) & (abs(geometry["scale"] - 1) < 0.005)
    assert abs(geometry["shift_x"][still]).max() < 0.12


@pytest.mark.parametrize(
    ("name", "limit", "centre"), [("degrees", 15, 0), ("scale", 0.12, 1), ("shift_x", 0.12, 0), ("shift_y", 0.12, 0)]
)
def test_the_changes_fill_their_range_and_stay_in_it(geometry: dict[str, np.ndarray], name: str, limit: float, centre: float):
    change = geometry[name][moved(geometry)] - centre
    slack = limit * 0.12  # the dots' centres are read off pixels
    assert abs(change).max() <= limit + slack
    for side in (change.max(), -change.min()):
        assert side >= limit * 0.9
    # Uniform over the range: a quarter of the draws in each quarter of it. Of 750 draws, a standard deviation is 0.016; the outer
    # quarters are wider by the slack, and lose 0.03 to it.
    shares = np.histogram(change, bins=4, range=(-limit - slack, limit + slack))[0] / len(change)
    assert shares == pytest.approx([0.25] * 4, abs=0.08)


def test_both_axes_are_scaled_alike(geometry: dict[str, np.ndarray]):
    np.testing.assert_allclose(geometry["scale_y"], geometry["scale"], atol=0.03)


def test_brightness_and_contrast(draw: Draw):
    """Two grey fields tell both: the gain by their difference, the offset by what remains."""
    image = np.full((64, 64), 80, np.uint8)
    image[:, 32:] = 160
    gains, offsets = [], []
    for number in range(600):
        changed, mask = draw((image, (image > 100).astype(np.uint8)), number)
        low, high = np.median(changed[mask == 0]), np.median(changed[mask == 1])
        if low == 0 or (mask == 1).mean() < 0.2 or (mask == 0).mean() < 0.6 * (1 - (mask == 1).mean()):
            continue
        gains.append((high - low) / 80)
        offsets.append((low - 80 * gains[-1]) / 255)
    # Of about 500 draws that are looked at, a standard deviation is 0.022; the range's ends are reached to a grey value of 80.
    changed_share = np.mean(abs(np.asarray(gains) - 1) + abs(np.asarray(offsets)) > 0.01)
    assert changed_share == pytest.approx(0.5, abs=0.08)
    assert (min(gains), max(gains)) == pytest.approx((0.8, 1.2), abs=0.03)
    assert (min(offsets), max(offsets)) == pytest.approx((-0.2, 0.2), abs=0.03)


def test_the_fast_holes_are_five_to_eight_squares_of_a_twentieth_of_the_side():
    """Squares that do not touch are counted; a number of draws leaves them apart."""
    image, counts = np.full((SIDE, SIDE), 200, np.uint8), set()
    transform = FastTransform()
    for number in range(400):
        transform.seed(number)
        dropped = (transform(image=image, mask=image)["image"] == 0).astype(np.uint8)
        _, _, parts, _ = cv2.connectedComponentsWithStats(dropped, connectivity=8)
        if len(parts) > 1 and all(tuple(part[2:4]) == (SIDE // 20, SIDE // 20) for part in parts[1:]):
            counts.add(len(parts) - 1)
    assert counts == {5, 6, 7, 8}


def test_the_course_s_holes_are_five_to_eight_squares_of_a_twentieth_of_the_side():
    image = np.full((SIDE, SIDE), 200, np.uint8)
    dropout = training_transform().transforms[-1]
    dropout.p = 1.0
    counts = []
    for number in range(200):
        dropout.set_random_seed(number)
        parts = dropout.get_params_dependent_on_data({"shape": image.shape}, {})["holes"]
        dropout.set_random_seed(number)
        dropped = dropout(image=image, mask=image)["image"] == 0
        wanted = np.zeros_like(dropped)
        for x_min, y_min, x_max, y_max in parts:
            assert (x_max - x_min, y_max - y_min) == (SIDE // 20, SIDE // 20)
            wanted[y_min:y_max, x_min:x_max] = True
        np.testing.assert_array_equal(dropped, wanted)
        counts.append(len(parts))
    assert set(counts) == {5, 6, 7, 8}


def test_half_of_the_slices_have_holes(draw: Draw):
    image = np.full((SIDE, SIDE), 200, np.uint8)
    middle = slice(40, 120)  # beyond what a shift can blacken
    share = np.mean([(draw((image, image * 0), number)[0][middle, middle] == 0).any() for number in range(600)])
    # 5 to 8 squares miss the middle quarter of the picture in about an eighth of the cases. Of 600 draws, 0.08 is four
    # deviations.
    assert 0.36 < share < 0.52


def test_holes_leave_the_mask_unless_the_course_s_way_is_asked_for(draw: Draw):
    image = np.full((SIDE, SIDE), 200, np.uint8)
    mask = np.full_like(image, 2)
    kept = [draw((image, mask), number) for number in range(60)]
    cleared = [draw((image, mask), number, clear=True) for number in range(60)]
    # Where nothing was moved, only holes are black.
    frame = np.pad(np.zeros((SIDE - 2, SIDE - 2), bool), 1, constant_values=True)
    still = [number for number, (changed, _) in enumerate(kept) if len(np.unique(changed[frame])) == 1]
    assert any((kept[number][0] == 0).any() for number in still)
    for number in still:
        assert (kept[number][1] == 2).all()
        np.testing.assert_array_equal(cleared[number][1] == 0, cleared[number][0] == 0)


def test_shape_type_and_class_ids_survive(draw: Draw, pair: Pair):
    seen: set[int] = set()
    for number in range(100):
        image, mask = draw(pair, number)
        assert image.shape == mask.shape == (96, 96)
        assert image.dtype == mask.dtype == np.uint8
        seen |= set(np.unique(mask).tolist())
    assert seen == {0, 1, 2, 3}


def test_image_and_mask_move_together(draw: Draw, pair: Pair):
    """Inside an organ the grey values are that organ's, whatever was done to brightness."""
    for number in range(60):
        image, mask = draw(pair, number)
        values = [np.median(image[mask == class_id]) for class_id in range(1, 4) if (mask == class_id).sum() > 200]
        assert np.all(np.diff(values) > 15)


def test_the_key_alone_decides(draw: Draw, pair: Pair):
    first, again, other = draw(pair, 7), draw(pair, 7), draw(pair, 8)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_colour_and_grey_are_changed_alike(draw: Draw, pair: Pair):
    """So the cached loader, of one channel, shows the network what the course's, of three, would."""
    colour = np.dstack([pair[0]] * 3)
    for number in range(40):
        grey, mask = draw(pair, number)
        three, again = draw((colour, pair[1]), number)
        np.testing.assert_array_equal(mask, again)
        np.testing.assert_array_equal(three, np.dstack([grey] * 3))
