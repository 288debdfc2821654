"""Active time: gaps of up to a minute count, longer ones do not."""

import pytest

from core.reviews.queue.activity import ActivityMeter
from core.reviews.store.events import Subject
from core.reviews.store.store import ReviewStore

FIRST = Subject("run1", "uw-valid", "case1_day0", "", "")
SECOND = Subject("run1", "uw-valid", "case2_day0", "", "")

pytestmark = pytest.mark.parametrize("path", ["sqlite"], indirect=True)


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(store: ReviewStore, clock: Clock) -> ActivityMeter:
    return ActivityMeter(store, clock)


def signs(meter: ActivityMeter, clock: Clock, reader: str, subject: Subject, *times: float) -> None:
    for clock.now in times:
        meter.sign(reader, subject)


def test_gaps_add_up_and_idle_ones_do_not_count(meter: ActivityMeter, clock: Clock, store: ReviewStore) -> None:
    # 10 + 60 count, 60.5 does not, 5 counts.
    signs(meter, clock, "Dr A", FIRST, 100, 110, 170, 230.5, 235.5)
    assert store.history() == []
    meter.leave("Dr A")
    meter.leave("Dr A")
    (event,) = store.history()
    assert (event.kind, event.reader, event.subject, event.payload) == ("activity", "Dr A", FIRST, {"seconds": 75.0})


def test_a_sign_elsewhere_ends_the_visit(meter: ActivityMeter, clock: Clock, store: ReviewStore) -> None:
    signs(meter, clock, "Dr A", FIRST, 0, 20)
    signs(meter, clock, "Dr A", SECOND, 30, 40)
    signs(meter, clock, "Dr B", FIRST, 40, 45)
    signs(meter, clock, "Dr A", FIRST, 50, 57)
    meter.close()
    reviews = store.reviews(run="run1", evaluation="uw-valid")
    assert reviews["case1_day0"].active_s == {"Dr A": 27.0, "Dr B": 5.0}
    assert reviews["case2_day0"].active_s == {"Dr A": 10.0}


def test_a_glance_is_not_stored(meter: ActivityMeter, clock: Clock, store: ReviewStore) -> None:
    signs(meter, clock, "Dr A", FIRST, 0, 0.9)
    meter.leave("Dr A")
    meter.leave("Dr B")
    assert store.history() == []
