"""Leases run by a clock that nobody can set."""

import os
import time
from pathlib import Path

import pytest

from core.reviews.queue.worklist import Worklist
from core.reviews.store.clock import Moment, now
from core.reviews.store.leases import DURATION_S
from core.reviews.store.store import ReviewStore
from tests.core.reviews.scans import made_up_table

HOUR_S = 3600.0


class Clocks:
    """Both clocks of a machine, which a test moves; setting the wall clock moves it alone."""

    wall_s, boot, boot_s = 1_700_000_000.0, "a start", 500.0

    def __call__(self) -> Moment:
        return Moment(self.wall_s, self.boot, self.boot_s)

    def wait(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds

    def start_anew(self) -> None:
        """The machine, half a minute later."""
        self.wall_s, self.boot, self.boot_s = self.wall_s + 30, "another start", 0.0


@pytest.fixture
def clocks(store: ReviewStore) -> Clocks:
    store.clock = Clocks()
    return store.clock


@pytest.fixture
def worklist(store: ReviewStore, clocks: Clocks) -> Worklist:
    return Worklist(store, made_up_table(3))


def test_set_back_by_an_hour_a_lease_lasts_no_longer(worklist: Worklist, clocks: Clocks) -> None:
    scan = worklist.next_case("Dr A")
    clocks.wall_s -= HOUR_S
    assert worklist.at_hand() == {scan: "Dr A"}
    clocks.wait(DURATION_S + 1)
    assert worklist.at_hand() == {}
    assert worklist.next_case("Dr B") == scan


def test_set_forward_by_an_hour_a_lease_does_not_end_under_a_reader_at_work(worklist: Worklist, clocks: Clocks) -> None:
    scan = worklist.next_case("Dr A")
    clocks.wait(DURATION_S - 60)
    clocks.wall_s += HOUR_S
    assert worklist.next_case("Dr B") != scan
    assert worklist.hold("Dr A", str(scan))


def test_it_holds_for_another_server_and_after_a_start_of_it(worklist: Worklist, clocks: Clocks, path: Path) -> None:
    scan = worklist.next_case("Dr A")
    clocks.wall_s += HOUR_S
    other = ReviewStore.open(path)
    other.clock = clocks
    assert Worklist(other, made_up_table(3)).at_hand() == {scan: "Dr A"}
    clocks.wait(DURATION_S + 1)
    assert Worklist(other, made_up_table(3)).at_hand() == {}
    other.close()


def test_after_the_machine_was_started_anew_the_clock_that_people_set_counts(worklist: Worklist, clocks: Clocks) -> None:
    scan = worklist.next_case("Dr A")
    clocks.start_anew()
    assert worklist.at_hand() == {scan: "Dr A"}
    clocks.wait(DURATION_S)
    assert worklist.at_hand() == {}


def test_after_a_start_with_a_clock_far_behind_nothing_is_held_for_hours(worklist: Worklist, clocks: Clocks) -> None:
    scan = worklist.next_case("Dr A")
    clocks.start_anew()
    clocks.wall_s -= HOUR_S
    assert worklist.at_hand() == {}
    assert worklist.next_case("Dr B") == scan
    assert worklist.at_hand() == {scan: "Dr B"}


def test_the_machine_s_own_clock() -> None:
    first, second = now(), now()
    assert 0 <= first.seconds_until(second) < 60
    assert abs(first.wall_s - time.time()) < 60
    if Path("/proc/sys/kernel/random/boot_id").is_file() and os.uname().sysname == "Linux":
        assert first.boot == second.boot != ""
