"""Whose a file is."""

from pathlib import Path

import pytest

from core.data.prepare.patients import VOLUME_PATTERN, PatientRule, read_patients
from core.errors import DatasetError


def test_a_name_tells_and_a_table_goes_before_it() -> None:
    rule = PatientRule(stated={"case1_day0": "Anna", "x": "Ben"})
    assert rule.read("case1_day0_slice_0003").patient == "Anna"
    assert rule.read("case2_day0_slice_0003").patient == "case2"
    assert (rule.read("x").patient, rule.read("x").parsed) == ("Ben", True)
    assert not rule.read("y").parsed
    assert rule.read("y", "told by the source").patient == "told by the source"
    assert PatientRule(one_a_file=True).read("y").parsed


def test_names_of_whole_scans() -> None:
    rule = PatientRule(VOLUME_PATTERN)
    assert (rule.read("case12_day3").patient, rule.read("case12_day3").day) == ("case12", 3)
    assert not rule.read("amos_0001").parsed


def test_names_that_tell_no_patient_are_counted() -> None:
    rule = PatientRule()
    names = [rule.read(f"Patient {patient} MR_{number}") for patient in (1, 2) for number in range(4)]
    said = (
        r"^8 of 9 names tell no patient: Patient 1 MR_0, Patient 1 MR_1, Patient 1 MR_2, Patient 1 MR_3, Patient 2 MR_0 "
        r"and 3 more; say whose they are: --patients FILE \(a table name,patient\), --pattern such as "
        r"'\(\?P<patient>\[\^_\]\+\)_', or --one_patient_a_file\.$"
    )
    with pytest.raises(DatasetError, match=said):
        rule.check([*names, rule.read("case1_day0_slice_0001")])


def test_patients_that_differ_in_zeros_only_are_refused_unless_a_table_says_who_they_are() -> None:
    names = ["case007_day0_slice_0001", "case7_day0_slice_0001", "case70_day0_slice_0001"]
    said = (
        r"^Patients' names differ in leading zeros only: case007 and case7; rename them, or say whose each is "
        r"with --patients FILE\.$"
    )
    with pytest.raises(DatasetError, match=said):
        PatientRule().check(map(PatientRule().read, names))
    rule = PatientRule(stated={"case007_day0": "case007", "case7_day0": "case7"})
    rule.check(map(rule.read, names))


def test_a_table_of_patients(tmp_path: Path) -> None:
    table = tmp_path / "who.csv"
    table.write_bytes("\ufeffname,patient,note\r\na_1,A,x\r\na_2, A ,\r\nb_1,B,\r\n".encode())
    assert read_patients(table) == {"a_1": "A", "a_2": "A", "b_1": "B"}
    table.write_text("Name;Patient\na;A\n")
    assert read_patients(table) == {"a": "A"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,who\na,b\n", "^The table of patients has no patient: .*who.csv; give a CSV file with the columns name, patient"),
        ("", "^The table of patients cannot be read"),
        ("name,patient\na,\n", "^The table of patients has a row without patient: .*who.csv, line 2; "),
        ("name,patient\na,A\na,B\n", "^The table of patients names two patients for one file: .*who.csv: a; leave one row"),
    ],
)
def test_a_table_that_does_not_tell(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "who.csv").write_text(text)
    with pytest.raises(DatasetError, match=said):
        read_patients(tmp_path / "who.csv")


def test_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^The table of patients cannot be read"):
        read_patients(tmp_path / "none.csv")
