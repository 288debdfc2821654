"""Splits: no patient on both sides, the same draw for the same seed, whole scans on both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import SplitConfig
from core.data.split import describe_split, held_out, split_patients
from core.errors import ConfigError, DatasetError

patient_counts = st.dictionaries(st.integers(0, 200).map("case{}".format), st.integers(0, 144), min_size=2, max_size=40)
fractions = st.floats(0.01, 0.99)


@given(patient_counts, fractions, st.integers(0, 1000))
def test_both_sides_have_patients_and_share_none(counts: dict[str, int], fraction: float, seed: int) -> None:
    valid = split_patients(counts, SplitConfig(fraction, seed))
    train = counts.keys() - valid
    assert valid
    assert train
    assert valid < counts.keys()
    assert len(valid) == min(max(round(fraction * len(counts)), 1), len(counts) - 1)


@given(patient_counts, fractions, st.integers(0, 1000))
def test_the_draw_depends_on_the_seed_only(counts: dict[str, int], fraction: float, seed: int) -> None:
    config = SplitConfig(fraction, seed)
    assert split_patients(counts, config) == split_patients(dict(reversed(counts.items())), config)


def test_another_seed_draws_others() -> None:
    counts = {f"case{i}": i for i in range(40)}
    assert len({split_patients(counts, SplitConfig(seed=seed)) for seed in range(5)}) > 1


@given(st.integers(0, 1000))
def test_patients_with_many_and_with_few_slices_are_drawn(seed: int) -> None:
    counts = {f"many{i}": 60 for i in range(5)} | {f"few{i}": 1 for i in range(5)}
    valid = split_patients(counts, SplitConfig(0.2, seed))
    assert sorted(name[:3] for name in valid) == ["few", "man"]


def test_patients_named_are_held_out() -> None:
    config = SplitConfig(valid_patients=("case2", "case3"))
    assert split_patients({"case1": 1, "case2": 0, "case3": 5}, config) == {"case2", "case3"}


def test_a_patient_named_that_is_not_there() -> None:
    sentence = r"^No slice belongs to this patient: case7, case8; use patients such as case1, case2\.$"
    with pytest.raises(DatasetError, match=sentence):
        split_patients({"case1": 1, "case2": 1}, SplitConfig(valid_patients=("case8", "case7", "case1")))


def test_nobody_left_to_train_on() -> None:
    with pytest.raises(DatasetError, match=r"^No patient is left to train on: case1, case2; hold out fewer patients\.$"):
        split_patients({"case1": 1, "case2": 1}, SplitConfig(valid_patients=("case1", "case2")))


def test_one_patient_cannot_be_split() -> None:
    sentence = r"^A split by patient needs two patients or more, but there is one: case1; add slices of another patient"
    with pytest.raises(DatasetError, match=sentence):
        split_patients({"case1": 9}, SplitConfig())


def test_no_patient_at_all() -> None:
    with pytest.raises(DatasetError, match=r"^There are no patients; add slices of another patient"):
        split_patients({}, SplitConfig())


def test_the_words_that_the_data_set_keeps() -> None:
    assert describe_split(SplitConfig(0.25, 7)) == "by patient, 25% for validation, seed 7"
    assert describe_split(SplitConfig(valid_patients=("case1", "case2"))) == "by patient, held out case1, case2"


def slices(counts: dict[str, int]) -> dict[str, str]:
    return {f"{patient}_slice_{number:04d}": patient for patient, count in counts.items() for number in range(count)}


BY_SLICE = SplitConfig(split_by="slice", valid_fraction=0.2, seed=1)


def test_by_slice_a_fifth_of_each_patient_is_held_out() -> None:
    patient_of = slices({"a": 20, "b": 35, "c": 1})
    valid = held_out(patient_of, {}, BY_SLICE)
    assert {patient: sum(patient_of[stem] == patient for stem in valid) for patient in "abc"} == {"a": 4, "b": 7, "c": 0}


def test_by_slice_the_slices_are_shuffled_and_seeded() -> None:
    patient_of = slices({"a": 50})
    valid = held_out(patient_of, {}, BY_SLICE)
    assert valid == held_out(dict(reversed(patient_of.items())), {}, BY_SLICE)
    assert valid != held_out(patient_of, {}, SplitConfig(split_by="slice", seed=2))
    assert valid != frozenset(sorted(patient_of)[:10])
    assert valid < held_out(patient_of | slices({"b": 9}), {}, BY_SLICE)


def test_by_slice_with_too_few_of_them() -> None:
    with pytest.raises(DatasetError, match=r"^One side of the split would have no slices: 2 slices; "):
        held_out(slices({"a": 1, "b": 1}), {}, BY_SLICE)


def test_by_patient_all_slices_of_a_patient_are_held_out() -> None:
    patient_of = slices({"a": 3, "b": 2})
    assert held_out(patient_of, {"a": 1, "b": 1}, SplitConfig(valid_patients=("b",))) == {"b_slice_0000", "b_slice_0001"}


def test_by_slice_holds_out_no_patients() -> None:
    with pytest.raises(ConfigError, match="valid_patients holds out whole patients, but split_by says slice"):
        SplitConfig(split_by="slice", valid_patients=("a",))


def test_all_can_be_held_out_to_evaluate_on() -> None:
    everything = SplitConfig(valid_fraction=1.0)
    assert split_patients({"a": 3}, everything) == {"a"}
    assert describe_split(everything) == "all held out, to evaluate on"
    assert held_out(slices({"a": 2}), {}, SplitConfig(valid_fraction=1.0, split_by="slice")) == {"a_slice_0000", "a_slice_0001"}
