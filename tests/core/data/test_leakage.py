"""The leak badge."""

import pytest

from core.data.leakage import LeakBadge, leak_badge


@pytest.mark.parametrize(
    ("trained_on", "measured_on", "text"),
    [
        ({"case1", "case2"}, {"case3"}, "patient-clean"),
        ({"case1", "case2"}, {"case2", "case3", "case4"}, "leaked (1 of 3 patients)"),
        ({"case1"}, {"case1"}, "leaked (1 of 1 patients)"),
        (None, {"case1"}, "unknown"),
        ({"case1"}, set(), "unknown"),
    ],
)
def test_badge(trained_on: set[str] | None, measured_on: set[str], text: str) -> None:
    assert leak_badge(trained_on, measured_on).text == text


def test_a_patient_with_many_scans_counts_once() -> None:
    assert leak_badge(["case1", "case1"], ["case1", "case1", "case2"]) == LeakBadge("leaked", 1, 2)


def test_json_has_the_text_too() -> None:
    assert LeakBadge("leaked", 2, 5).to_json() == {
        "kind": "leaked", "leaked": 2, "patients": 5, "text": "leaked (2 of 5 patients)",
    }  # fmt: skip
