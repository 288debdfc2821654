"""The queue: which scans, in which order, and who gets which."""

import numpy as np
import pandas as pd
import pytest

from core.reviews.queue.filters import WorklistFilter
from core.reviews.queue.scan_table import ScanTable, make_scan_table
from core.reviews.queue.worklist import RoundProgress, Worklist
from core.reviews.store.clock import Moment
from core.reviews.store.events import Round, Subject, Verdict
from core.reviews.store.leases import DURATION_S
from core.reviews.store.store import ReviewStore
from core.reviews.store.store import ReviewStore as Store
from tests.core.reviews.scans import EVALUATION, RUN

NAN = float("nan")
A, B, C, D = "case1_day0", "case1_day2", "case2_day0", "case10_day0"


def table() -> ScanTable:
    """Four scans: A scores worst, then D, B, and C, whose large bowel is absent; B is the least confident."""
    dice = {A: (0.0, 0.5, 0.7), B: (0.8, 0.8, 0.8), C: (0.9, 0.9, NAN), D: (0.6, 0.7, 0.5)}
    organs = ("stomach", "small_bowel", "large_bowel")
    scans, slices = [], []
    for scan, values in dice.items():
        patient, day = scan.split("_day")
        for organ, value in zip(organs, values, strict=True):
            outcome = "absent" if np.isnan(value) else "missed" if value == 0 else "scored"
            common = {"scan": scan, "organ": organ}
            scans.append(common | {"patient": patient, "day": int(day), "slices": 2, "outcome": outcome, "dice": value})
    # Confidence of A: stomach (10 × 0.9 + 30 × 0.5) / 40 = 0.6; the others as they are.
    sure = [
        (A, "stomach", 10, 0.9), (A, "stomach", 30, 0.5), (A, "small_bowel", 0, NAN), (B, "stomach", 5, 0.55),
        (C, "stomach", 5, 0.95), (C, "small_bowel", 5, 0.75), (D, "stomach", 5, NAN),
    ]  # fmt: skip
    for scan, organ, voxels, confidence in sure:
        slices.append({"scan": scan, "organ": organ, "prediction_voxels": voxels, "confidence": confidence})
    errors = [
        (A, "stomach", "", "missed_organ"), (A, "small_bowel", "large_bowel", "swapped"), (B, "stomach", "", "boundary"),
        (B, "stomach", "", "boundary"),
    ]  # fmt: skip
    frames = pd.DataFrame(scans), pd.DataFrame(slices), pd.DataFrame(errors, columns=["scan", "organ", "other", "kind"])
    made = make_scan_table(*frames, disputed=[C]).assign(leak=["leaked", "patient-clean", "leaked", "patient-clean"])
    return ScanTable(RUN, EVALUATION, made)


class Clock:
    """Seconds that a test moves on."""

    now = 1000.0

    def __call__(self) -> Moment:
        return Moment(wall_s=self.now, boot="a start", boot_s=self.now)


@pytest.fixture
def clock(store: ReviewStore) -> Clock:
    store.clock = Clock()
    return store.clock


@pytest.fixture
def worklist(store: ReviewStore, clock: Clock) -> Worklist:
    return Worklist(store, table())


def judge(store: Store, scan: str, reader: str, verdict: Verdict = Verdict.ACCEPT, comment: str = "") -> None:
    store.add_verdict(Subject(RUN, EVALUATION, scan, "", ""), reader=reader, verdict=verdict, comment=comment)


def shown(worklist: Worklist, **parts: object) -> list[str]:
    return list(worklist.rows(reader="Dr A", filter=WorklistFilter(**parts))["scan"])


on_sqlite = pytest.mark.parametrize("path", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.parametrize(
    ("parts", "scans"),
    [
        ({}, [A, D, B, C]),
        ({"patient": ("case1",)}, [A, B]),
        ({"patient": ("case1", "case10")}, [A, D, B]),
        ({"organ": ("large_bowel",)}, [A, D, B]),
        ({"dice_from": 0.8}, [B, C]),
        ({"dice_to": 0.6}, [A, D]),
        ({"organ": ("stomach",), "dice_from": 0.6, "dice_to": 0.8}, [D, B]),
        ({"organ": ("stomach", "small_bowel"), "dice_to": 0.7}, [A, D]),
        ({"kind": ("missed_organ",)}, [A]),
        ({"kind": ("missed_organ", "boundary")}, [A, B]),
        ({"kind": ("swapped",), "organ": ("large_bowel",)}, [A]),
        ({"kind": ("swapped",), "organ": ("stomach",)}, []),
        ({"confidence_to": 0.6}, [A, B]),
        ({"confidence_from": 0.8}, [C]),
        ({"organ": ("small_bowel",), "confidence_from": 0.5}, [C]),
        ({"leak": ("leaked",)}, [A, B]),
        ({"disputed": True}, [C]),
        ({"disputed": False}, [A, D, B]),
        ({"text": "CASE1_"}, [A, B]),
        ({"text": "stomach missed"}, [A]),
        ({"text": "Fundus"}, [D]),
        ({"text": "'; DROP TABLE events; --"}, []),
        ({"text": ".*"}, []),
        ({"state": ("Unreviewed",)}, [A, B]),
        ({"state": ("Readers disagree",)}, [C]),
        ({"state": ("Accept", "Readers disagree")}, [D, C]),
        ({"reader": ("Dr B",)}, [C]),
        ({"reader": ("Dr A",), "dice_to": 0.6}, [D]),
    ],
)
def test_filters(worklist: Worklist, store: ReviewStore, parts: dict, scans: list[str]) -> None:
    judge(store, D, "Dr A", comment="the fundus is off")
    judge(store, C, "Dr A")
    judge(store, C, "Dr B", Verdict.REJECT)
    assert shown(worklist, **parts) == scans


@on_sqlite
def test_a_page_of_the_queue(worklist: Worklist) -> None:
    assert worklist.queue(reader="Dr A", filter=WorklistFilter(dice_from=0.5)) == [D, B, C]
    assert list(worklist.rows(reader="Dr A", first=1, count=2)["scan"]) == [D, B]
    assert worklist.rows(reader="Dr A", first=9, count=2).empty


@on_sqlite
def test_orders(worklist: Worklist, store: ReviewStore) -> None:
    changed = Worklist(store, table().with_change({B: 0.3, D: 0.1}))
    orders = {order: list(changed.rows(reader="Dr A", order=order)["scan"]) for order in ("worst", "least_confident", "name")}
    assert orders == {"worst": [A, D, B, C], "least_confident": [B, A, C, D], "name": [A, B, C, D]}
    assert list(changed.rows(reader="Dr A", order="most_changed")["scan"]) == [B, D, A, C]
    random = [tuple(table().scans["scan"].iloc[table().ranked("random", seed)]) for seed in range(20)]
    assert random == [tuple(table().scans["scan"].iloc[table().ranked("random", seed)]) for seed in range(20)]
    assert len(set(random)) > 5


def test_change_is_the_distance_of_the_mean_dice() -> None:
    other = table()
    other.scans["mean_dice"] = other.scans["mean_dice"] + [0.1, -0.2, 0.0, NAN]
    assert table().dice_change(other) == pytest.approx({A: 0.1, D: 0.2, B: 0.0})


def test_rows_say_who_judged(worklist: Worklist, store: ReviewStore) -> None:
    judge(store, C, "Dr A")
    judge(store, C, "Dr B")
    row = worklist.rows(reader="Dr A").set_index("scan").loc[C]
    assert (row["state"], row["readers"], row["hidden"]) == ("Accept", "Dr A, Dr B", False)


def test_two_readers_never_get_the_same_scan(worklist: Worklist, store: ReviewStore) -> None:
    assert [worklist.next_case(reader) for reader in ("Dr A", "Dr B", "Dr C")] == [A, D, B]
    judge(store, A, "Dr A")
    assert worklist.next_case("Dr A") == C
    assert worklist.next_case("Dr D") is None
    assert worklist.at_hand() == {D: "Dr B", B: "Dr C", C: "Dr A"}


def test_a_reader_resumes_what_he_has_at_hand(worklist: Worklist, store: ReviewStore) -> None:
    assert worklist.next_case("Dr A") == worklist.next_case("Dr A") == A
    assert Worklist(store, table()).next_case("Dr A") == A


def test_a_lease_runs_out_unless_the_reader_is_active(worklist: Worklist, clock: Clock) -> None:
    assert worklist.next_case("Dr A") == A
    clock.now += DURATION_S - 60
    assert worklist.hold("Dr A", A)
    clock.now += DURATION_S - 60
    assert worklist.next_case("Dr B") == D
    clock.now += 61
    assert worklist.next_case("Dr C") == A
    assert not worklist.hold("Dr A", A)


def test_holding_a_scan_that_was_opened_from_the_list(worklist: Worklist, store: ReviewStore) -> None:
    assert worklist.hold("Dr B", A)
    assert not worklist.hold("Dr A", A)
    assert worklist.next_case("Dr A") == D
    worklist.release("Dr B", A)
    assert worklist.hold("Dr A", A)
    judge(store, C, "Dr B")
    assert not worklist.hold("Dr A", C)


def test_a_scan_is_taken_only_when_as_many_have_or_had_it_as_the_round_wants(worklist: Worklist, store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round(readers_per_scan=2), by="Lead")
    assert worklist.hold("Dr B", A)
    assert worklist.others_in_place("Dr A", A) == []
    assert worklist.hold("Dr A", A)
    assert (worklist.others_in_place("Dr A", A), worklist.others_in_place("Dr B", A)) == ([], [])
    assert worklist.others_in_place("Dr C", A) == ["Dr A", "Dr B"]
    judge(store, A, "Dr B")
    assert worklist.others_in_place("Dr C", A) == ["Dr A"]
    judge(store, A, "Dr A")
    assert worklist.others_in_place("Dr C", A) == []  # nobody has it at hand


def test_a_name_with_a_comma_is_one_reader(worklist: Worklist, store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round(readers_per_scan=2), by="Lead")
    assert worklist.hold("Lee, Ada", A)
    assert worklist.hold("Dr B", A)
    assert (worklist.in_hand_of("Lee, Ada"), worklist.in_hand_of("Ada")) == ([A], [])
    assert worklist.others_in_place("Dr B", A) == []


def test_what_comes_next_is_what_next_case_gives_and_is_leased_to_nobody(worklist: Worklist, store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round(readers_per_scan=2), by="Lead")
    assert worklist.next_case("Dr A") == A
    assert worklist.hold("Dr B", D)
    assert worklist.probably_next("Dr A", A) == D  # one other reader has it, and the round wants two
    assert worklist.in_hand_of("Dr A") == [A]
    judge(store, A, "Dr A")
    assert worklist.next_case("Dr A") == D


def test_what_is_passed_over_goes_to_others_and_comes_again_at_the_end(worklist: Worklist, store: ReviewStore) -> None:
    assert worklist.next_case("Dr A") == A
    worklist.skip("Dr A", A)
    assert worklist.next_case("Dr A") == D
    assert worklist.next_case("Dr B") == A
    worklist.skip("Dr B", A)
    for scan in (D, B, C):
        judge(store, scan, "Dr A")
    assert worklist.next_case("Dr A") == A


def test_a_verdict_taken_back_is_the_reader_s_again(worklist: Worklist, store: ReviewStore) -> None:
    assert worklist.next_case("Dr A") == A
    event = store.add_verdict(Subject(RUN, EVALUATION, A, "", ""), reader="Dr A", verdict=Verdict.ACCEPT)
    assert worklist.next_case("Dr A") == D
    store.withdraw(event, reader="Dr A")
    assert worklist.next_case("Dr B") == B
    assert worklist.next_case("Dr A") == A


def test_each_scan_goes_to_as_many_different_readers_as_the_round_asks_for(worklist: Worklist, store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round("Twice", readers_per_scan=2), by="Dr Lead")
    assert [worklist.next_case(reader) for reader in ("Dr A", "Dr B", "Dr C", "Dr D")] == [A, A, D, D]
    judge(store, A, "Dr A")
    judge(store, A, "Dr B")
    assert [worklist.next_case(reader) for reader in ("Dr A", "Dr B", "Dr C")] == [B, B, D]
    assert worklist.progress("Dr A") == RoundProgress(done=1, total=4, mine=1)


def test_the_round_s_filter_and_order_make_the_queue(worklist: Worklist, store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round("Good ones", filter="dice_from=0.6", order="name"), by="Dr Lead")
    assert list(worklist.rows(reader="Dr A")["scan"]) == [B, C, D]
    assert worklist.next_case("Dr A") == B
    assert worklist.next_case("Dr B", filter=WorklistFilter(patient=("case10",))) == D
    judge(store, A, "Dr A")
    assert worklist.progress("Dr A") == RoundProgress(done=0, total=3, mine=0)


def test_a_blind_round_tells_nothing_before_one_s_own_verdict(worklist: Worklist, store: ReviewStore) -> None:
    store.set_round(RUN, EVALUATION, Round("Blind", readers_per_scan=2, blind=True), by="Dr Lead")
    judge(store, A, "Dr B", Verdict.REJECT, comment="antrum")
    judge(store, C, "Dr A")
    rows = worklist.rows(reader="Dr A", order="worst").set_index("scan")
    assert list(rows.index) == list(table().scans["scan"].iloc[table().ranked("random", 0)])
    told = rows.loc[C]
    assert (told["state"], told["readers"], told["hidden"]) == ("Accept", "Dr A", False)
    assert told["mean_dice"] == pytest.approx(0.9)
    secret = rows.drop(index=C)
    assert list(secret["hidden"]) == [True] * 3
    assert secret[["stomach", "small_bowel", "large_bowel", "mean_dice", "change"]].isna().all(axis=None)
    assert set(secret["state"]) == {"Unreviewed"}
    assert set(secret["readers"]) == set(secret["notes"]) == {""}
    assert set(secret["errors"]) == {0}
    for asking in ({"dice_to": 0.7}, {"kind": ("missed_organ",)}, {"text": "missed"}, {"text": "antrum"}, {"reader": ("Dr B",)}):
        assert shown(worklist, **asking) == []
    assert A not in shown(worklist, state=("Reject",))
    judge(store, A, "Dr A")
    assert shown(worklist, text="antrum") == [A]


def test_carried_verdicts_leave_only_the_changed_scans(worklist: Worklist, store: ReviewStore) -> None:
    source = store.add_verdict(Subject("run0", EVALUATION, A, "", ""), reader="Dr A", verdict=Verdict.ACCEPT)
    store.add_carry(Subject(RUN, EVALUATION, A, "", ""), source=source, by="Dr Lead", basis="the same mask")
    assert worklist.next_case("Dr B") == D
    assert worklist.progress("Dr A") == RoundProgress(done=1, total=4, mine=1)


def test_an_empty_queue(store: ReviewStore) -> None:
    nothing = Worklist(store, ScanTable(RUN, EVALUATION, table().scans.iloc[:0]))
    assert nothing.next_case("Dr A") is None
    assert nothing.progress("Dr A") == RoundProgress(0, 0, 0)
    assert nothing.rows(reader="Dr A").empty
