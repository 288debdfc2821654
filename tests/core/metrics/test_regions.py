"""Each kind of error on volumes small enough to work out by hand, and what holds for any two volumes."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from core.data.identity import SliceName
from core.data.manifest import ScanInfo
from core.data.scan import Scan, SliceFile
from core.labels import ORGAN_NAMES
from core.metrics import disagreement
from core.metrics.regions import COLUMNS, ErrorKind, ErrorRegion, error_regions, region_rows, regions_frame

SPACING = (3.0, 1.5, 1.5)
"""Within 3 mm lie one slice, or two pixels."""
Volume = np.ndarray
Block = tuple[int, slice, slice, slice]


def volume(*blocks: Block, shape: tuple[int, int, int] = (12, 24, 24)) -> Volume:
    """A label volume with blocks of (class, slices, rows, columns); later ones cover earlier ones."""
    made = np.zeros(shape, np.uint8)
    for class_id, z, y, x in blocks:
        made[z, y, x] = class_id
    return made


STOMACH: Block = (1, slice(3, 9), slice(4, 14), slice(4, 14))


def kinds(reference: Volume, prediction: Volume, **options: object) -> list[tuple[str, str, int]]:
    return [(each.kind, each.organ, each.voxels) for each in error_regions(reference, prediction, SPACING, **options)]


def only(reference: Volume, prediction: Volume, **options: object) -> ErrorRegion:
    (region,) = error_regions(reference, prediction, SPACING, **options)
    return region


def test_no_error() -> None:
    assert error_regions(volume(), volume(), SPACING) == []
    assert error_regions(volume(STOMACH), volume(STOMACH), SPACING) == []


def test_missed_organ() -> None:
    region = only(volume(STOMACH), volume())
    assert (region.kind, region.organ, region.side, region.voxels) == ("missed_organ", "stomach", "missing", 600)
    assert region.volume_ml == pytest.approx(600 * 6.75 / 1000)
    assert (region.first_position, region.last_position) == (3, 8)
    # Every slice has 100 voxels: the middle one of slices 3 to 8, the lower of two; rows and columns 4 to 13 alike.
    assert (region.position, region.y, region.x) == (5, 8, 8)


def test_extra_organ() -> None:
    region = only(volume(), volume(STOMACH))
    assert (region.kind, region.organ, region.side, region.voxels) == ("extra_organ", "stomach", "extra", 600)


def test_missed_part() -> None:
    # Five columns of ten are missing over all slices: 7.5 mm, on both ends of no slice range.
    region = only(volume(STOMACH), volume((1, slice(3, 9), slice(4, 14), slice(4, 9))))
    assert (region.kind, region.organ, region.voxels, region.end) == ("missed_part", "stomach", 300, "")


def test_a_hole_is_a_missed_part() -> None:
    # Each voxel of the hole is near what was drawn, but its middle lies 6 mm below the surface.
    prediction = volume(STOMACH, (0, slice(5, 7), slice(8, 10), slice(8, 10)))
    assert kinds(volume(STOMACH), prediction) == [("missed_part", "stomach", 8)]


def test_a_thin_loop_that_nobody_drew_is_no_boundary() -> None:
    loop = (1, slice(3, 9), slice(20, 22), slice(4, 14))
    assert kinds(volume(STOMACH, loop), volume(STOMACH)) == [("missed_part", "stomach", 120)]


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("class_id", [0, 1])
def test_boundary(width: int, class_id: int) -> None:
    prediction = volume(
        STOMACH, (class_id, slice(3, 9), slice(4, 14), slice(14 - width + width * class_id, 14 + width * class_id))
    )
    region = only(volume(STOMACH), prediction)
    assert (region.kind, region.voxels, region.side) == ("boundary", 60 * width, "extra" if class_id else "missing")


def test_three_pixels_too_far_are_no_boundary() -> None:
    prediction = volume(STOMACH, (1, slice(3, 9), slice(4, 14), slice(14, 17)))
    assert kinds(volume(STOMACH), prediction) == [("extra_part", "stomach", 180)]
    assert kinds(volume(STOMACH), prediction, tolerance_mm=4.5) == [("boundary", "stomach", 180)]


def test_the_rim_is_cut_off_what_reaches_further() -> None:
    # One row too many along a side of 30 columns, and on it a tongue of six rows: 9 mm.
    reference = volume((1, slice(0, 1), slice(2, 12), slice(2, 32)), shape=(1, 24, 40))
    prediction = volume(
        (1, slice(0, 1), slice(2, 13), slice(2, 32)), (1, slice(0, 1), slice(12, 18), slice(2, 6)), shape=(1, 24, 40)
    )
    # The tongue's far rows are 14 to 17; the nearest of them is 3 mm above row 12, so that only its own columns belong to it.
    assert kinds(reference, prediction) == [("boundary", "stomach", 26), ("extra_part", "stomach", 24)]


def test_swapped() -> None:
    region = only(volume(STOMACH), volume(STOMACH, (3, slice(3, 9), slice(4, 14), slice(9, 14))))
    assert (region.kind, region.organ, region.other, region.voxels) == ("swapped", "stomach", "large_bowel", 300)
    assert region.side == "exchanged"


def test_a_whole_organ_drawn_as_another_is_swapped() -> None:
    region = only(volume(STOMACH), volume((2, *STOMACH[1:])))
    assert (region.kind, region.organ, region.other) == ("swapped", "stomach", "small_bowel")


def test_the_border_of_touching_organs_is_a_boundary() -> None:
    right = (2, slice(3, 9), slice(4, 14), slice(14, 22))
    prediction = volume(STOMACH, (2, slice(3, 9), slice(4, 14), slice(13, 22)))
    region = only(volume(STOMACH, right), prediction)
    assert (region.kind, region.organ, region.other, region.voxels) == ("boundary", "stomach", "small_bowel", 60)


@pytest.mark.parametrize(
    ("drawn", "end", "voxels"), [(slice(5, 9), "head", 200), (slice(3, 6), "foot", 300)], ids=["head", "foot"]
)
def test_ends_early(drawn: slice, end: str, voxels: int) -> None:
    reference, prediction = volume(STOMACH), volume((1, drawn, *STOMACH[2:]))
    region = only(reference, prediction)
    assert (region.kind, region.end, region.voxels) == ("ends_early", end, voxels)
    other = only(reference, prediction, head_first=False)
    assert other.end == {"head": "foot", "foot": "head"}[end]


@pytest.mark.parametrize(("drawn", "end"), [(slice(0, 9), "head"), (slice(3, 12), "foot")], ids=["head", "foot"])
def test_ends_late(drawn: slice, end: str) -> None:
    region = only(volume(STOMACH), volume((1, drawn, *STOMACH[2:])))
    assert (region.kind, region.end, region.voxels) == ("ends_late", end, 300)


def test_one_slice_of_3_mm_is_a_boundary_and_two_are_an_end() -> None:
    assert kinds(volume(STOMACH), volume((1, slice(4, 9), *STOMACH[2:]))) == [("boundary", "stomach", 100)]
    assert kinds(volume(STOMACH), volume((1, slice(4, 9), *STOMACH[2:])), tolerance_mm=1.5) == [("ends_early", "stomach", 100)]


@pytest.mark.parametrize(("first_column", "kind"), [(9, "ends_early"), (8, "missed_part")])
def test_half_of_a_region_beyond_the_end_makes_it_an_end(first_column: int, kind: str) -> None:
    # Slices 7 and 8 are missing (200 voxels), and on slices 3 to 6 the columns from this one on: 200 or 240 voxels.
    prediction = volume((1, slice(3, 7), slice(4, 14), slice(4, first_column)))
    assert kinds(volume(STOMACH), prediction) == [(kind, "stomach", 200 + 40 * (14 - first_column))]


def test_the_place_is_on_the_largest_slice_and_inside_a_ring() -> None:
    ring = ((1, slice(6, 7), slice(2, 15), slice(2, 15)), (0, slice(6, 7), slice(3, 14), slice(3, 14)))
    region = only(volume(), volume((1, slice(2, 6), slice(2, 4), slice(2, 4)), *ring))
    # The ring's middle is (8, 8), outside it; of the four voxels nearest to that the first in reading order.
    assert (region.voxels, region.position, region.y, region.x) == (16 + 48, 6, 2, 8)


def test_extra_island() -> None:
    prediction = volume(STOMACH, (1, slice(4, 6), slice(19, 21), slice(19, 22)))
    assert kinds(volume(STOMACH), prediction) == [("extra_island", "stomach", 12)]


def test_an_island_beyond_the_end_is_an_island() -> None:
    prediction = volume(STOMACH, (1, slice(0, 2), slice(19, 21), slice(19, 22)))
    assert kinds(volume(STOMACH), prediction) == [("extra_island", "stomach", 12)]


def test_corners_connect() -> None:
    reference = volume((1, slice(0, 1), slice(2, 3), slice(2, 3)), (1, slice(1, 2), slice(3, 4), slice(3, 4)))
    assert only(reference, volume()).voxels == 2


def test_missed_and_extra_side_by_side_are_two_regions() -> None:
    shifted = volume((1, *STOMACH[1:3], slice(10, 20)))
    assert sorted(kinds(volume(STOMACH), shifted)) == [("extra_part", "stomach", 360), ("missed_part", "stomach", 360)]


def test_without_a_spacing_distances_are_voxels_and_volumes_unknown() -> None:
    prediction = volume(STOMACH, (1, slice(3, 9), slice(4, 14), slice(14, 16)))
    (region,) = error_regions(volume(STOMACH), prediction, None)
    assert region.kind == "boundary"
    assert math.isnan(region.volume_ml)


def test_another_shape() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        error_regions(np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 5), np.uint8), SPACING)


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_words_and_a_finding(kind: ErrorKind) -> None:
    assert kind.label
    assert kind.finding in ("missed", "extra", "boundary", "swapped")


VOLUMES = arrays(
    np.uint8, st.tuples(*[st.integers(1, 6)] * 3).map(lambda s: (2, *s)), elements=st.sampled_from([0, 0, 0, 1, 2, 3])
)


@given(VOLUMES, st.sampled_from([SPACING, (1.0, 1.0, 1.0), (5.0, 0.7, 0.7)]), st.sampled_from([0.5, 1.5, 3.0]))
def test_every_differing_voxel_belongs_to_exactly_one_region(pair: Volume, spacing: tuple[float, ...], tolerance: float) -> None:
    reference, prediction = pair
    regions = error_regions(reference, prediction, spacing, tolerance_mm=tolerance)
    differs = reference != prediction
    assert sum(each.voxels for each in regions) == differs.sum()
    assert sum(each.volume_ml for each in regions) == pytest.approx(differs.sum() * np.prod(spacing) / 1000)
    for organ_id, organ in enumerate(ORGAN_NAMES, start=1):
        apart = (reference == organ_id) != (prediction == organ_id)
        assert sum(each.voxels for each in regions if organ in (each.organ, each.other)) == apart.sum()
    for each in regions:
        assert differs[each.position, each.y, each.x]
        assert each.first_position <= each.position <= each.last_position
        assert (each.kind == "swapped") <= (each.other != "")
        assert (each.end != "") == (each.kind in ("ends_early", "ends_late"))
    assert len({(each.position, each.y, each.x) for each in regions}) == len(regions)
    assert regions == error_regions(reference, prediction, spacing, tolerance_mm=tolerance)


@given(VOLUMES)
def test_boundaries_agree_with_exact_distance_transforms(pair: Volume) -> None:
    """A voxel of a boundary region is near by scipy's distances too; any other region has a voxel that is not."""
    reference, prediction = pair
    near = np.ones(reference.shape, bool)
    for organ_id in (1, 2, 3):
        seen, drawn = reference == organ_id, prediction == organ_id
        inside = np.pad(seen, 1)
        surface = (inside & ~ndimage.binary_erosion(inside))[1:-1, 1:-1, 1:-1]
        near[drawn & ~seen] &= _distance(seen)[drawn & ~seen] <= 3
        near[seen & ~drawn] &= (np.maximum(_distance(drawn), _distance(surface)) <= 3)[seen & ~drawn]
    for each in error_regions(reference, prediction, SPACING):
        if each.kind == "boundary":
            assert near[each.position, each.y, each.x]
    assert any(each.kind != "boundary" for each in error_regions(reference, prediction, SPACING)) == (
        bool((~near & (reference != prediction)).any())
    )


def _distance(mask: Volume) -> Volume:
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return ndimage.distance_transform_edt(~mask, sampling=SPACING)


def scan_of(slices: int) -> Scan:
    files = [SliceFile(SliceName("case1", "case1_day0", n + 5, f"s{n}", 0), Path(), Path()) for n in range(slices)]
    return Scan("case1_day0", "case1", 0, tuple(files), ScanInfo())


def test_the_table_names_slices_by_their_numbers() -> None:
    rows = region_rows(scan_of(12), error_regions(volume(STOMACH), volume(), SPACING))
    table = regions_frame(rows)
    assert list(table.columns) == list(COLUMNS)
    assert table.iloc[0].to_dict() == {
        "patient": "case1", "scan": "case1_day0", "day": 0, "organ": "stomach", "kind": "missed_organ", "other": "",
        "side": "missing", "end": "", "voxels": 600, "volume_ml": pytest.approx(4.05), "first_slice": 8, "last_slice": 13,
        "slice": 10, "position": 5, "x": 8, "y": 8,
    }  # fmt: skip


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    table = regions_frame([])
    table.to_parquet(tmp_path / "errors.parquet")
    assert list(table.columns) == list(COLUMNS)


def test_slices_that_are_missing_tell_no_end() -> None:
    reference, prediction = volume(STOMACH), volume((1, slice(6, 9), *STOMACH[2:]))
    assert kinds(reference, prediction) == [("ends_early", "stomach", 300)]
    region = only(reference, prediction, partial=True)
    assert (region.kind, region.end) == ("missed_part", "")


def test_the_volume_of_a_voxel_may_be_stated() -> None:
    assert only(volume(STOMACH), volume(), voxel_ml=0.01).volume_ml == pytest.approx(6)
    (region,) = error_regions(volume(STOMACH), volume(), None, voxel_ml=0.01)
    assert region.volume_ml == pytest.approx(6)


@pytest.mark.parametrize("spacing", [(0.003, 0.0015, 0.0015), (3.0, 0.0015, 1.5), (1e-4, 1e-4, 1e-4)])
def test_a_tolerance_of_millions_of_voxels_ends(spacing: tuple[float, float, float]) -> None:
    """3 mm are 2,000 pixels here: no voxel of the box is far from anything."""
    reference, prediction = volume(STOMACH), volume((1, slice(3, 9), slice(4, 14), slice(4, 9)))
    (region,) = error_regions(reference, prediction, spacing)
    assert region.voxels == 300
    assert region.kind == ("boundary" if spacing[2] < 1 else "missed_part")


@given(VOLUMES, st.sampled_from([(3.0, 1.5, 1.5), (1.0, 2.0, 0.7)]), st.sampled_from([1.5, 3.0, 4.5]))
def test_distances_over_the_box_find_the_same_regions(
    pair: Volume, spacing: tuple[float, float, float], tolerance: float
) -> None:
    reference, prediction = pair
    expected = error_regions(reference, prediction, spacing, tolerance_mm=tolerance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disagreement, "MANY_OFFSETS", 0)
        assert error_regions(reference, prediction, spacing, tolerance_mm=tolerance) == expected
