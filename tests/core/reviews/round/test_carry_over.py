"""The second round: which verdicts hold for a new mask, which scans are asked for, and in which order."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ReviewError
from core.reviews.round.carry_over import CarryOverPlan, carry_over, plan_carry_over
from core.reviews.store.events import Verdict
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.files import read_json
from core.storage.workspace import Workspace
from tests.core.reviews.rounds import VALID, labels, make_dataset, make_evaluation, subject_of

SAME, NEAR, FAR = VALID


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Runs ``old`` and ``new``: one mask the same, one stomach 20 of 20 + 0.1 columns wide, one much narrower."""
    workspace = Workspace(tmp_path_factory.mktemp("rounds"))
    index = make_dataset(workspace.root)
    make_evaluation(workspace, index, "old", {})
    near = labels()
    # 8 of the stomach's 800 voxels: Dice 2·792 / (800 + 792) = 0.99497.
    near[0, 4:12, 4] = 0
    make_evaluation(workspace, index, "new", {NEAR: near, FAR: labels(10)})
    return workspace


@pytest.fixture
def old(place: Workspace) -> Evaluation:
    return open_run(place.run("old").root).evaluation("small-valid")


@pytest.fixture
def new(place: Workspace) -> Evaluation:
    return open_run(place.run("new").root).evaluation("small-valid")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    store = ReviewStore.open(tmp_path / "reviews.db")
    yield store
    store.close()


def judge(store: ReviewStore, evaluation: Evaluation, scan: str, verdict: Verdict, reader: str = "Dr A") -> str:
    return store.add_verdict(subject_of(evaluation, scan), reader=reader, verdict=verdict, comment="seen").id


def planned(store: ReviewStore, old: Evaluation, new: Evaluation, **options: float) -> CarryOverPlan:
    reviews, already = (store.reviews(run=each.run, evaluation=each.name) for each in (old, new))
    return plan_carry_over(old, new, reviews, already, **options)


def test_only_the_changed_scan_is_asked_for(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    ids = [judge(store, old, scan, Verdict.ACCEPT) for scan in VALID]
    plan = planned(store, old, new)
    assert plan.queued["scan"].tolist() == [FAR]
    # 400 of 800 voxels are left: Dice 2·400 / 1200.
    assert plan.queued["least_dice"].tolist() == [pytest.approx(2 / 3)]
    assert plan.queued["organ"].tolist() == ["stomach"]
    assert plan.queued["reason"].tolist() == ["Stomach changed: Dice between the masks 0.667"]
    assert plan.scans == 2
    assert carry_over(store, plan, by="Lead") == 2
    stored = [each for each in store.history(run="new") if each.kind == "carry"]
    assert [each.payload["source"] for each in stored] == ids[:2]
    assert [each.reader for each in stored] == ["Dr A", "Dr A"]
    assert stored[0].payload["basis"] == "identical mask"
    assert stored[1].payload["basis"] == "Dice between the masks 0.9950 or more for each organ, 0.99 asked for"
    reviews = store.reviews(run="new", evaluation=new.name)
    assert {scan: each.state for scan, each in reviews.items()} == {SAME: "Accept", NEAR: "Accept"}
    assert store.verify() is None


def test_a_second_time_stores_nothing(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    judge(store, old, SAME, Verdict.REJECT)
    plan = planned(store, old, new)
    carry_over(store, plan, by="Lead")
    before = len(store.history())
    carry_over(store, plan, by="Lead")
    assert planned(store, old, new).carried == ()
    assert len(store.history()) == before


def test_the_amount_can_be_set(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    for scan in VALID:
        judge(store, old, scan, Verdict.MINOR_EDITS)
    assert planned(store, old, new, least_dice=1).queued["scan"].tolist() == [FAR, NEAR]
    assert planned(store, old, new, least_dice=0.6).queued.empty


@pytest.mark.parametrize("least_dice", [0, -1, 1.01, float("nan")])
def test_an_impossible_amount_is_refused(store: ReviewStore, old: Evaluation, new: Evaluation, least_dice: float) -> None:
    with pytest.raises(ReviewError, match="use more than 0 and at most 1"):
        planned(store, old, new, least_dice=least_dice)


def test_scans_that_nobody_judged_come_last(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    judge(store, old, FAR, Verdict.ACCEPT)
    assert planned(store, old, new).queued["scan"].tolist() == [FAR, SAME, NEAR]


def test_an_organ_that_came_or_went_never_carries_over(store: ReviewStore, place: Workspace, old: Evaluation) -> None:
    judge(store, old, SAME, Verdict.ACCEPT)
    gone = labels()
    gone[gone == 2] = 0
    other = make_evaluation(place, make_dataset(place.root / "again"), "gone", {SAME: gone})
    row = planned(store, old, other, least_dice=0.01).queued.iloc[0]
    assert (row["scan"], row["organ"], row["least_dice"]) == (SAME, "small_bowel", 0.0)


def changed(evaluation: Evaluation, scan: str, **facts: object) -> Evaluation:
    """The evaluation with other facts about a scan; the tables stay."""
    summary = read_json(evaluation.paths.summary)
    summary["scans"][scan] |= facts
    return replace(evaluation, summary=summary)


def test_another_image_is_asked_for(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    judge(store, old, SAME, Verdict.ACCEPT)
    other = changed(new, SAME, image_sha256="f" * 64)
    assert planned(store, old, other).queued["reason"].tolist()[0] == "the image is another now"


def test_a_wrong_reference_is_asked_for_again_once_it_is_another(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    judge(store, old, SAME, Verdict.REFERENCE_WRONG)
    judge(store, old, SAME, Verdict.ACCEPT, reader="Dr B")
    assert len(planned(store, old, new).carried) == 2
    plan = planned(store, old, changed(new, SAME, reference_sha256="f" * 64))
    assert [each.source.reader for each in plan.carried] == ["Dr B"]
    assert plan.queued["reason"].tolist()[0] == "the reference is another now"


def test_a_verdict_on_a_mask_that_is_gone_is_asked_for_again(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    judge(store, old, SAME, Verdict.ACCEPT)
    anew = changed(old, SAME, prediction_sha256="f" * 64)
    assert len(planned(store, anew, new).carried) == 1  # the new mask is the one that was judged
    plan = planned(store, anew, changed(new, SAME, prediction_sha256="e" * 64))
    assert plan.queued["reason"].tolist()[0] == "the mask that was judged is no longer there"


def test_a_verdict_given_in_the_new_round_stays(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    judge(store, old, SAME, Verdict.ACCEPT)
    judge(store, new, SAME, Verdict.REJECT)
    judge(store, old, FAR, Verdict.ACCEPT)
    judge(store, new, FAR, Verdict.REJECT)
    plan = planned(store, old, new)
    assert plan.carried == ()
    assert plan.queued["scan"].tolist() == [NEAR]


def test_one_and_the_same_evaluation_is_refused(store: ReviewStore, old: Evaluation) -> None:
    with pytest.raises(ReviewError, match="name two evaluations"):
        planned(store, old, old)


def test_evaluations_without_a_common_scan_are_refused(store: ReviewStore, old: Evaluation, new: Evaluation) -> None:
    with pytest.raises(ReviewError, match="no scan in common"):
        planned(store, old, replace(new, summary=new.summary | {"scans": {}}))
