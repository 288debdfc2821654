"""The competition's metric: by hand, and against scipy's directed Hausdorff over all voxels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import directed_hausdorff

from core.metrics.competition import CompetitionScore, competition_score, competition_terms
from core.metrics.volume_pair import VolumePair


def score(*pairs: tuple[np.ndarray, np.ndarray]) -> CompetitionScore | None:
    return competition_score(competition_terms(VolumePair.of(reference=a, prediction=b)) for a, b in pairs)


def voxels(*places: tuple[int, int, int], shape: tuple[int, int, int] = (4, 10, 20), organ: int = 1) -> np.ndarray:
    volume = np.zeros(shape, np.uint8)
    for place in places:
        volume[place] = organ
    return volume


def test_a_perfect_prediction_scores_one() -> None:
    one = voxels((1, 2, 3), (2, 2, 3))
    assert score((one, one)) == CompetitionScore(score=1, dice=1, hausdorff=0, voxel_diagonal=1, slices=2, volumes=1)


def test_one_voxel_that_is_off_by_hand() -> None:
    """Five columns of twenty: a quarter of the unit cube's side; both slices of the pair differ, so their Dice is 0."""
    found = score((voxels((1, 2, 3)), voxels((1, 2, 8))))
    assert found.dice == 0
    assert found.hausdorff == pytest.approx(0.25 / math.sqrt(3))
    assert found.score == pytest.approx(0.6 * (1 - 0.25 / math.sqrt(3)))
    assert found.voxel_diagonal == pytest.approx(0.6 * (1 - 5 / math.hypot(4, 10, 20)))


def test_dice_is_per_slice_and_organ_and_empty_ones_are_ignored() -> None:
    """Slice 0: 1; slice 1: missed, 0; slices 2 and 3: nothing, ignored."""
    found = score((voxels((0, 1, 1), (1, 1, 1)), voxels((0, 1, 1))))
    assert (found.dice, found.slices) == (0.5, 2)


def test_one_empty_is_the_worst_and_both_empty_is_left_out() -> None:
    nothing, one = voxels(), voxels((0, 1, 1))
    assert score((one, nothing)).hausdorff == 1
    assert score((nothing, one)).score == 0
    assert score((nothing, nothing)) is None
    assert score((nothing, nothing), (one, one)).volumes == 1


volumes = arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 2))


@given(volumes, volumes)
def test_scipy_s_directed_hausdorff_over_all_voxels_gives_the_same(reference: np.ndarray, prediction: np.ndarray) -> None:
    terms = competition_terms(VolumePair.of(reference=reference, prediction=prediction))
    expected = []
    for organ in (1, 2):
        a, b = (np.argwhere(volume == organ) / volume.shape for volume in (reference, prediction))
        if len(a) and len(b):
            expected.append(max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0]) / math.sqrt(3))
        elif len(a) or len(b):
            expected.append(1.0)
    assert terms.unit_cube == pytest.approx(expected)
    assert all(0 <= each <= 1 for each in (*terms.unit_cube, *terms.voxel_diagonal, *terms.dice))


def test_it_says_what_it_is_for() -> None:
    one = voxels((0, 1, 1))
    assert "only to compare with the public board" in score((one, one)).to_json()["name"]
