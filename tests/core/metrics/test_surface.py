"""HD95, NSD and mean surface distance: by hand, against four other implementations, and where those differ."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.labels import ORGANS
from core.metrics.surface import SurfaceScores, diagonal_mm, nsd_column, surface_scores
from core.metrics.volume_pair import VolumePair
from tests.core.metrics.references import (
    EXAMPLES,
    PERTURBATIONS,
    RUN_LENGTHS,
    TOLERANCES,
    Expected,
    by_deepmind,
    by_monai,
    by_pairs,
    by_scipy,
    real_scans,
)

MM = (3.0, 1.5, 1.5)
Spacing = tuple[float, float, float]


def scores(reference: np.ndarray, prediction: np.ndarray, spacing: Spacing | None = MM, organ: int = 1) -> SurfaceScores:
    return surface_scores(VolumePair.of(reference=reference, prediction=prediction), spacing_mm=spacing)[organ]


def empty(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.uint8)


def one_voxel(*place: int, shape: tuple[int, int, int] = (5, 6, 7)) -> np.ndarray:
    volume = empty(*shape)
    volume[place] = 1
    return volume


def plate(x: int) -> np.ndarray:
    volume = empty(4, 5, 12)
    volume[:, :, x] = 1
    return volume


@pytest.mark.parametrize(
    ("place", "distance"), [((1, 1, 1), 0.0), ((1, 1, 3), 3.0), ((1, 4, 1), 4.5), ((3, 1, 1), 6.0), ((2, 3, 1), math.hypot(3, 3))]
)
def test_two_single_voxels(place: tuple[int, int, int], distance: float) -> None:
    """One step is 1.5 mm in the plane and 3 mm across slices."""
    found = scores(one_voxel(1, 1, 1), one_voxel(*place))
    assert found.hd95_mm == pytest.approx(distance)
    assert found.mean_surface_distance_mm == pytest.approx(distance)
    assert found.nsd == (float(distance <= 1.5), float(distance <= 3))


@pytest.mark.parametrize("apart", [0, 1, 2, 3])
def test_two_parallel_plates(apart: int) -> None:
    found = scores(plate(2), plate(2 + apart))
    assert found == SurfaceScores(1.5 * apart, 1.5 * apart, (float(apart <= 1), float(apart <= 2)))


def test_hd95_is_the_larger_direction_and_interpolated() -> None:
    """From the reference all is near; from the prediction 1 of 11 surface voxels is 9 mm away, the others 0.

    The 95th percentile of eleven values is half-way between the tenth (0) and the last (9). The other direction gives 0.
    """
    reference, prediction = empty(1, 1, 30), empty(1, 1, 30)
    reference[0, 0, 5:15] = 1
    prediction[0, 0, 5:15] = 1
    prediction[0, 0, 20] = 1
    found = scores(reference, prediction)
    assert found.hd95_mm == pytest.approx(4.5)
    assert found.mean_surface_distance_mm == pytest.approx(9 / 21)
    assert found.nsd == (20 / 21, 20 / 21)
    assert scores(prediction, reference) == found


def test_a_surface_is_face_connected() -> None:
    """A solid 5×5×5 cube has 98 surface voxels; the corner of its 3×3×3 inside is not one of them."""
    cube = empty(9, 9, 9)
    cube[2:7, 2:7, 2:7] = 1
    reference, _ = VolumePair.of(reference=cube, prediction=cube).surfaces()
    points = {tuple(point) for point in reference.of(1)}
    assert len(points) == 5**3 - 3**3
    assert (2, 2, 2) in points
    assert (3, 3, 3) not in points


def test_outside_the_volume_is_outside_the_organ() -> None:
    full = np.ones((3, 3, 3), np.uint8)
    reference, _ = VolumePair.of(reference=full, prediction=full).surfaces()
    assert len(reference.of(1)) == 26


def test_where_two_organs_touch_is_surface_of_both() -> None:
    volume = empty(3, 3, 8)
    volume[:, :, :4], volume[:, :, 4:] = 1, 2
    reference, _ = VolumePair.of(reference=volume, prediction=volume).surfaces()
    assert (1, 1, 3) in {tuple(point) for point in reference.of(1)}
    assert (1, 1, 4) in {tuple(point) for point in reference.of(2)}
    assert (1, 1, 2) not in {tuple(point) for point in reference.of(1)}


def test_both_empty_is_undefined() -> None:
    found = scores(empty(2, 3, 4), empty(2, 3, 4))
    assert [found.hd95_mm, found.mean_surface_distance_mm, *found.nsd] == pytest.approx([math.nan] * 4, nan_ok=True)


@pytest.mark.parametrize("missed", [True, False])
def test_one_empty_costs_the_diagonal_of_the_scan(missed: bool) -> None:
    drawn = one_voxel(0, 0, 0, shape=(4, 8, 8))
    pair = (drawn, empty(4, 8, 8)) if missed else (empty(4, 8, 8), drawn)
    diagonal = math.sqrt((4 * 3) ** 2 + 2 * (8 * 1.5) ** 2)
    assert scores(*pair) == SurfaceScores(pytest.approx(diagonal), pytest.approx(diagonal), (0.0, 0.0))


def test_no_millimetre_is_made_up() -> None:
    for pair in ((one_voxel(1, 1, 1), one_voxel(1, 1, 1)), (one_voxel(1, 1, 1), empty(5, 6, 7)), (empty(2, 2, 2),) * 2):
        found = scores(*pair, spacing=None)
        assert [found.hd95_mm, found.mean_surface_distance_mm, *found.nsd] == pytest.approx([math.nan] * 4, nan_ok=True)


def test_a_distance_that_equals_the_tolerance_but_for_rounding_is_within() -> None:
    pair = VolumePair.of(reference=one_voxel(0, 0, 0), prediction=one_voxel(0, 0, 3))
    (nsd,) = surface_scores(pair, spacing_mm=(1.0, 1.0, 0.1), tolerances_mm=(0.3,))[1].nsd
    assert 3 * 0.1 > 0.3
    assert nsd == 1


def test_names_of_columns() -> None:
    assert [nsd_column(tolerance) for tolerance in (1.5, 3.0, 0.25)] == ["nsd_1_5mm", "nsd_3mm", "nsd_0_25mm"]


sides = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9))
steps = st.floats(0.1, 5.0)
volumes = sides.flatmap(lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2))
sparse = sides.flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 3), fill=st.just(np.uint8(0)))] * 2)
)
spacings = st.tuples(steps, steps, steps)


@settings(max_examples=EXAMPLES)
@given(volumes | sparse, spacings)
def test_random_volumes(pair: tuple[np.ndarray, np.ndarray], spacing: Spacing) -> None:
    """No crash, every bound, symmetry, and the same as every surface voxel against every other."""
    reference, prediction = pair
    ours = surface_scores(VolumePair.of(reference=reference, prediction=prediction), spacing_mm=spacing)
    swapped = surface_scores(VolumePair.of(reference=prediction, prediction=reference), spacing_mm=spacing)
    diagonal = diagonal_mm(reference.shape, spacing)
    for organ in ORGANS:
        a, b, found = reference == organ.id, prediction == organ.id, ours[organ.id]
        values = [found.hd95_mm, found.mean_surface_distance_mm, *found.nsd]
        back = swapped[organ.id]
        assert values == pytest.approx([back.hd95_mm, back.mean_surface_distance_mm, *back.nsd], nan_ok=True, abs=1e-12)
        assert all(math.isnan(value) for value in values) == (not a.any() and not b.any())
        if not a.any() or not b.any():
            continue
        assert 0 <= found.mean_surface_distance_mm <= diagonal
        assert 0 <= found.hd95_mm < diagonal
        assert 0 <= found.nsd[0] <= found.nsd[1] <= 1
        assert (found.hd95_mm == found.mean_surface_distance_mm == 0) >= bool((a == b).all())
        _agree(found, by_pairs(a, b, spacing), within=1e-9)


@settings(max_examples=EXAMPLES)
@given(volumes | sparse, st.sampled_from(ORGANS))
def test_to_miss_an_organ_never_improves_a_distance(pair: tuple[np.ndarray, np.ndarray], organ) -> None:
    reference, prediction = pair
    if not (reference == organ.id).any():
        return
    before = scores(reference, prediction, organ=organ.id)
    after = scores(reference, np.where(prediction == organ.id, 0, prediction).astype(np.uint8), organ=organ.id)
    assert after.hd95_mm >= before.hd95_mm
    assert after.mean_surface_distance_mm >= before.mean_surface_distance_mm
    assert max(after.nsd) == 0


def _agree(ours: SurfaceScores, theirs: Expected, *, within: float) -> None:
    assert ours.hd95_mm == pytest.approx(theirs.hd95, abs=within)
    assert ours.mean_surface_distance_mm == pytest.approx(theirs.mean, abs=within)
    assert ours.nsd == pytest.approx(theirs.nsd, abs=within)


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two smooth shapes that mostly agree, (12, 30, 31)."""
    from scipy import ndimage

    draw = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(draw.normal(size=(12, 30, 31)), (1, 2, 2))
    other = ndimage.gaussian_filter(draw.normal(size=(12, 30, 31)), (1, 2, 2))
    return field > 0.02, field + 0.3 * other > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_monai_gives_the_same_in_32_bits(seed: int) -> None:
    reference, prediction = blobs(seed)
    _agree(scores(reference.astype(np.uint8), prediction.astype(np.uint8)), by_monai(reference, prediction, MM), within=2e-6)


@pytest.mark.slow
def test_where_monai_differs() -> None:
    """MONAI's HD95 of a missed organ is NaN, so that its mean loses it, and its mean distance infinite; ours the diagonal."""
    drawn, nothing = one_voxel(1, 1, 1) == 1, empty(5, 6, 7) == 1
    for pair in ((drawn, nothing), (nothing, drawn)):
        theirs = by_monai(*pair, MM)
        assert math.isnan(theirs.hd95)
        assert theirs.mean == math.inf
        assert theirs.nsd == (0, 0)
    assert math.isnan(by_monai(nothing, nothing, MM).hd95)
    assert scores(one_voxel(1, 1, 1), empty(5, 6, 7)).hd95_mm == pytest.approx(diagonal_mm((5, 6, 7), MM))


@pytest.mark.parametrize("seed", range(4))
def test_deepmind_measures_between_voxels_and_weighs_by_area(seed: int) -> None:
    """Its surface lies half a voxel further out and counts area: a convention, worth up to a voxel's diagonal here."""
    reference, prediction = blobs(seed)
    ours = scores(reference.astype(np.uint8), prediction.astype(np.uint8))
    theirs = by_deepmind(reference, prediction, MM)
    voxel = math.sqrt(sum(step**2 for step in MM))
    assert ours.hd95_mm == pytest.approx(theirs.hd95, abs=voxel)
    assert ours.mean_surface_distance_mm == pytest.approx(theirs.mean, abs=voxel / 2)
    assert ours.nsd == pytest.approx(theirs.nsd, abs=0.15)
    assert ours.mean_surface_distance_mm != pytest.approx(theirs.mean, abs=1e-3)


def test_deepmind_s_package_fails_where_a_mask_is_empty() -> None:
    """It divides nothing by nothing, or asks for a name that NumPy 2 has not, whichever of its scores comes first."""
    with pytest.raises((AttributeError, RuntimeWarning), match=r"np\.Inf|invalid value"):
        by_deepmind(one_voxel(1, 1, 1) == 1, empty(5, 6, 7) == 1, MM)


@pytest.mark.slow
@pytest.mark.skipif(not RUN_LENGTHS.is_file(), reason=f"the real samples are not here: {RUN_LENGTHS}")
@pytest.mark.parametrize("perturb", PERTURBATIONS, ids=lambda each: each.__name__)
def test_real_scans_agree_with_scipy_exactly(perturb, real_volumes: dict[str, np.ndarray]) -> None:
    for reference in real_volumes.values():
        prediction = perturb(reference)
        found = surface_scores(VolumePair.of(reference=reference, prediction=prediction), spacing_mm=MM, tolerances_mm=TOLERANCES)
        for organ in ORGANS:
            a, b = reference == organ.id, prediction == organ.id
            if a.any() and b.any():
                _agree(found[organ.id], by_scipy(a, b, MM), within=1e-9)


@pytest.fixture(scope="module")
def real_volumes() -> dict[str, np.ndarray]:
    return real_scans(limit=2)
