"""One pass over two volumes: the counts, whatever the layout, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import MaskError
from core.metrics.overlap import confusion_per_slice
from core.metrics.volume_pair import VolumePair
from tests.core.metrics.references import EXAMPLES, surface

shapes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 21))
pairs = shapes.flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 3), fill=st.just(np.uint8(0)))] * 2)
)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)


@settings(max_examples=EXAMPLES)
@given(pairs)
def test_the_counts_are_those_of_a_plain_count(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, prediction = pair
    found = VolumePair.of(reference=reference, prediction=prediction)
    np.testing.assert_array_equal(found.confusion, confusion_per_slice(reference=reference, prediction=prediction))


@settings(max_examples=EXAMPLES)
@given(pairs)
def test_the_surfaces_are_those_of_an_erosion(pair: tuple[np.ndarray, np.ndarray]) -> None:
    for volume, found in zip(pair, VolumePair.of(reference=pair[0], prediction=pair[1]).surfaces(), strict=True):
        for organ in (1, 2, 3):
            np.testing.assert_array_equal(found.of(organ), np.argwhere(surface(volume == organ)))


@settings(max_examples=EXAMPLES)
@given(pairs)
def test_unmatched_voxels_are_those_that_the_other_lacks(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, prediction = pair
    found = VolumePair.of(reference=reference, prediction=prediction)
    for organ in (1, 2, 3):
        missed, extra = found.unmatched(organ)
        np.testing.assert_array_equal(missed, np.argwhere((reference == organ) & (prediction != organ)))
        np.testing.assert_array_equal(extra, np.argwhere((prediction == organ) & (reference != organ)))


@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda volume: volume[:, ::-1], lambda volume: volume[1:], lambda volume: volume.transpose(2, 1, 0)],
    ids=["fortran", "mirrored", "from an odd address", "transposed"],
)
def test_any_memory_layout_will_do(layout) -> None:
    reference, prediction = layout(draw(5, 3, 7)), layout(draw(5, 3, 7)[::-1])
    plain = VolumePair.of(reference=reference.copy(order="C"), prediction=prediction.copy(order="C"))
    np.testing.assert_array_equal(VolumePair.of(reference=reference, prediction=prediction).confusion, plain.confusion)


def test_volumes_that_nobody_may_write_to_will_do() -> None:
    frozen = draw(2, 3, 8)
    frozen.flags.writeable = False
    assert VolumePair.of(reference=frozen, prediction=frozen).overlap(1).dice == 1


def test_a_volume_of_nothing_has_no_scores() -> None:
    nothing = np.zeros((0, 4, 4), np.uint8)
    assert VolumePair.of(reference=nothing, prediction=nothing).overlap(1).outcome == "absent"


@pytest.mark.parametrize("side", ["reference", "prediction"])
def test_an_unknown_class_is_refused(side: str) -> None:
    volumes = {"reference": draw(2, 3, 3), "prediction": draw(2, 3, 3)}
    volumes[side][1, 2, 2] = 4
    with pytest.raises(MaskError, match=rf"^A mask holds the unknown class 4: {side}; use class ids 0 to 3\.$"):
        VolumePair.of(**volumes)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        VolumePair.of(reference=draw(1, 2, 3), prediction=draw(1, 3, 2))
    with pytest.raises(ValueError, match=r"at most 32767 voxels, not the shape \(2, 3\)"):
        VolumePair.of(reference=draw(2, 3), prediction=draw(2, 3))
    with pytest.raises(ValueError, match=r"at most 32767 voxels, not the shape \(1, 1, 40000\)"):
        VolumePair.of(reference=draw(1, 1, 40_000), prediction=draw(1, 1, 40_000))
