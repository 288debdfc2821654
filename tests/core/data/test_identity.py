"""Patients, scans and slices read from names."""

import pytest

from core.data.identity import SliceName, check_pattern, parse_slice_name
from core.errors import DatasetError


def test_the_names_of_the_public_set() -> None:
    name = parse_slice_name("case123_day20_slice_0070")
    assert name == SliceName("case123", "case123_day20", 70, "case123_day20_slice_0070", 20)


def test_what_follows_the_slice_number_does_not_matter() -> None:
    assert parse_slice_name("case2_day0_slice_0001_266_266_1.50_1.50").number == 1


@pytest.mark.parametrize("stem", ["", "scan7", "case12_slice_0001", "CASE1_day0_slice_0001", "my case1_day0_slice_0001"])
def test_a_name_that_does_not_parse_is_a_patient_of_its_own(stem: str) -> None:
    assert parse_slice_name(stem) == SliceName(stem, stem, 0, stem, None, parsed=False)


def test_a_pattern_of_the_data_set() -> None:
    name = parse_slice_name("P07-MR2-z013", r"(?P<scan>(?P<patient>P\d+)-MR\d)-z(?P<slice>\d+)")
    assert (name.patient, name.scan, name.number, name.day) == ("P07", "P07-MR2", 13, None)


def test_without_a_scan_in_the_pattern_the_patient_is_the_scan() -> None:
    assert parse_slice_name("P07_3", r"(?P<patient>P\d+)_(?P<slice>\d+)").scan == "P07"


def test_check_pattern_returns_what_can_be_used() -> None:
    assert check_pattern(r"(?P<patient>\d+)") == r"(?P<patient>\d+)"


def test_a_pattern_that_is_no_regular_expression() -> None:
    with pytest.raises(DatasetError, match=r"^The patient pattern is not a regular expression \(.*\): \(; correct it\.$"):
        check_pattern("(")


def test_a_pattern_without_a_patient() -> None:
    with pytest.raises(DatasetError, match=r"^The patient pattern has no group \(\?P<patient>…\): case\\d\+; add one\.$"):
        check_pattern(r"case\d+")
