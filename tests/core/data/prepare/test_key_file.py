"""The key: the same patient gets the same pseudonym, whoever extends it at the same time, and nobody else can read it."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from core.data.prepare.key_file import Key, extending, read_key
from core.errors import ConfigError


def test_a_patient_keeps_pseudonym_and_shift(tmp_path: Path) -> None:
    place = tmp_path / "a.key.json"
    with extending(place) as key:
        first = key.pseudonym("4711")
        key.note_study(first, date(2020, 1, 10))
    with extending(place) as key:
        assert key.pseudonym("4711") == first != key.pseudonym("0815")
        assert key.day(first, date(2020, 2, 10)) == 31
        shown = date.fromisoformat(key.shifted(first, date(2020, 2, 10)))
        assert (shown - date(2020, 2, 10)).days == key.patients[first].shift_days
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert "4711" not in repr(read_key(place))


def test_an_open_file_is_closed_when_it_is_extended(tmp_path: Path) -> None:
    place = tmp_path / "a.key.json"
    with extending(place) as key:
        key.pseudonym("1")
    place.chmod(0o644)
    with extending(place) as key:
        key.pseudonym("2")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_many_at_once_lose_nobody(tmp_path: Path) -> None:
    place = tmp_path / "a.key.json"

    def enter(number: int) -> str:
        with extending(place) as key:
            return key.pseudonym(str(number % 4))

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(enter, range(24)))
    assert len(set(names)) == len(read_key(place).patients) == 4
    assert all(names[n] == names[n % 4] for n in range(24))


def test_nothing_is_written_where_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), extending(tmp_path / "a.key.json") as key:
        key.day(key.pseudonym("1") + "x", None)
    assert not (tmp_path / "a.key.json").exists()


PATIENTS = '{"format": "gutcheck-key/1", "uids": {}, "patients": '
BROKEN = (
    "",
    "[]",
    "4711",
    '{"format": "other", "patients": {"4711": {}}, "uids": {}}',
    PATIENTS + "4711}",
    PATIENTS + '{"a": {"patient_id": "4711", "shift_days": "x", "first_study": null}}}',
)


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_no_key_is_kept_and_not_quoted(content: str, tmp_path: Path) -> None:
    place = tmp_path / "a.key.json"
    place.write_text(content)
    with pytest.raises(ConfigError) as shown, extending(place):
        pass
    assert str(shown.value) == f"The key cannot be read: {place}; restore it, or name another file."
    assert place.read_text() == content


def test_the_form_of_the_file(tmp_path: Path) -> None:
    with extending(tmp_path / "a.json") as key:
        name = key.pseudonym("4711")
        new = key.new_uid("1.2.3")
        assert key.new_uid("1.2.3") == new
        assert key.new_uid("") == ""
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "format": "gutcheck-key/1",
        "patients": {name: {"patient_id": "4711", "shift_days": key.patients[name].shift_days, "first_study": None}},
        "uids": {"1.2.3": new},
    }
    assert new.startswith("2.25.")


def test_unknown_and_impossible_dates() -> None:
    key = Key()
    name = key.pseudonym("1")
    assert (key.shifted(name, None), key.day(name, None), key.shifted(name, date(1, 1, 2))) == ("", None, "")
