"""Filters in a URL and under a name; what nobody can smuggle in."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, ReviewError
from core.metrics.regions import ErrorKind
from core.reviews.queue.filters import STATES, SavedFilter, WorklistFilter, delete_filter, save_filter, saved_filters
from core.reviews.store.store import ReviewStore

FULL = WorklistFilter(
    patient=("case1", "a & b"), organ=("stomach",), state=("Accept",), reader=("Dr Å",), dice_from=0.1, dice_to=0.95,
    kind=("boundary",), confidence_from=0.0, confidence_to=1.0, leak=("leaked",), disputed=False, text="50% = ü; --",
)  # fmt: skip


def test_there_and_back_by_a_url() -> None:
    assert WorklistFilter.from_url(FULL.to_url()) == FULL
    assert WorklistFilter().to_url() == ""
    assert WorklistFilter.from_url("") == WorklistFilter()
    assert WorklistFilter(dice_to=0.7, organ=("stomach", "small_bowel")).to_url() == "organ=stomach&organ=small_bowel&dice_to=0.7"


words = st.lists(st.text(min_size=1, max_size=20), max_size=3).map(tuple)
share = st.none() | st.floats(0, 1)


@given(
    patient=words, reader=words, text=st.text(max_size=50).map(str.strip), dice_from=share, confidence_to=share,
    state=st.lists(st.sampled_from(STATES), max_size=3).map(tuple), disputed=st.none() | st.booleans(),
    kind=st.lists(st.sampled_from([str(kind) for kind in ErrorKind]), max_size=3).map(tuple),
)  # fmt: skip
def test_every_filter_comes_back_from_its_url(**parts: object) -> None:
    filter = WorklistFilter(**parts)
    assert WorklistFilter.from_url(filter.to_url()) == filter
    assert WorklistFilter.from_query(filter.to_query()) == filter


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("organ=liver", "The filter knows no such organ: liver; use one of: stomach, small_bowel, large_bowel."),
        ("dice_from=1.5", "The filter dice_from wants a number from 0 to 1: 1.5; change it."),
        ("dice_from=nan", "The filter dice_from wants a number from 0 to 1: nan; change it."),
        ("dice_to=1;DROP TABLE events", "The filter dice_to wants a number from 0 to 1: 1;DROP TABLE events; change it."),
        ("disputed=perhaps", "The filter disputed wants yes or no: perhaps; change it."),
        ("text=" + "x" * 200, "The text to look for is too long; shorten it to 120 characters."),
        ("patient=" + "x" * 200, "Too many or too long values for the filter patient; give at most 200, of 120 characters."),
    ],
)
def test_what_a_url_may_not_say(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        WorklistFilter.from_url(url)
    assert str(caught.value) == sentence


def test_what_is_no_part_of_a_filter_is_left_alone() -> None:
    url = "run=r&evaluation=e&case=c&role=lead&blind=no&readers_per_scan=0&__class__=x&text=a"
    assert WorklistFilter.from_url(url) == WorklistFilter(text="a")
    assert WorklistFilter.from_query({key: values[0] for key, values in parse_qs(url).items()}) == WorklistFilter(text="a")


def test_saved_by_name_for_oneself_and_for_everybody(store: ReviewStore) -> None:
    save_filter(store, SavedFilter("Bad stomachs", FULL, "Dr A"))
    save_filter(store, SavedFilter("Disputed", WorklistFilter(disputed=True)))
    save_filter(store, SavedFilter("Theirs", WorklistFilter(), "Dr B"))
    assert saved_filters(store, "Dr A") == [
        SavedFilter("Bad stomachs", FULL, "Dr A"), SavedFilter("Disputed", WorklistFilter(disputed=True)),
    ]  # fmt: skip
    save_filter(store, SavedFilter("Disputed", WorklistFilter(disputed=False)))
    delete_filter(store, "Bad stomachs", owner="Dr A")
    delete_filter(store, "Bad stomachs", owner="Dr A")
    assert saved_filters(store, "Dr A") == [SavedFilter("Disputed", WorklistFilter(disputed=False))]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 81])
def test_impossible_names_of_filters(store: ReviewStore, name: str) -> None:
    with pytest.raises(ReviewError):
        save_filter(store, SavedFilter(name, FULL))
