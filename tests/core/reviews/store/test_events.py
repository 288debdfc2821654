"""What a reviewer can say, and what is refused."""

import pytest

from core.errors import ReviewError
from core.reviews.store.events import (
    Correction,
    Finding,
    FindingKind,
    Round,
    Subject,
    Verdict,
    check_comment,
    check_reader,
    event_hash,
)

SUBJECT = Subject("run1", "uw-valid", "case1_day0", "i" * 64, "m" * 64)
EVENT = {"id": "e1", "at": "2026-11-22T00:00:00.000+00:00", "reader": "Dr A", "kind": "verdict", "previous_hash": "0" * 64}


def test_the_verdicts_are_those_of_the_review() -> None:
    assert [(each.value, each.label) for each in Verdict] == [
        ("accept", "Accept"),
        ("minor_edits", "Minor edits"),
        ("major_edits", "Major edits"),
        ("reject", "Reject"),
        ("reference_wrong", "The reference is wrong"),
        ("unusable_image", "Unusable image"),
    ]


def test_a_finding_needs_an_organ() -> None:
    sentence = r"^A finding names no organ: liver; use one of: stomach, small_bowel, large_bowel\.$"
    with pytest.raises(ReviewError, match=sentence):
        Finding(FindingKind.MISSED, "liver", 3)


def test_a_finding_s_comment_is_bounded() -> None:
    with pytest.raises(ReviewError, match=r"^The comment has 4,001 characters; shorten it to 4,000\.$"):
        Finding(FindingKind.EXTRA, "stomach", 3, comment="x" * 4001)


def test_comments_lose_their_outer_spaces() -> None:
    assert check_comment("  the antrum\nis missing \n") == "the antrum\nis missing"
    assert check_comment(" " * 9000) == ""
    assert len(check_comment("ü" * 4000)) == 4000


def test_a_broken_character_is_refused_before_it_reaches_the_database() -> None:
    with pytest.raises(ReviewError, match=r"^The comment holds a broken character; type it again\.$"):
        check_comment("half of 😀: \ud83d")


@pytest.mark.parametrize("name", ["Dr. Åse Ødegård", "a", "x" * 80, "李"])
def test_names_of_readers(name: str) -> None:
    assert check_reader(f"  {name} ") == name


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\tb", "a\0b", "\u202eevil", "\ud83d"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ReviewError, match=r"(?s)^This is no reader's name.*; use 1 to 80 characters\.$"):
        check_reader(name)


def test_the_hash_depends_on_everything_that_an_event_says() -> None:
    base = event_hash(**EVENT, subject=SUBJECT, payload={"verdict": "accept"})
    changed = {event_hash(**(EVENT | {key: "other"}), subject=SUBJECT, payload={"verdict": "accept"}) for key in EVENT}
    for field in ("run", "evaluation", "scan", "image_sha256", "mask_sha256"):
        subject = Subject(**(vars(SUBJECT) | {field: "other"}))
        changed.add(event_hash(**EVENT, subject=subject, payload={"verdict": "accept"}))
    changed.add(event_hash(**EVENT, subject=SUBJECT, payload={"verdict": "reject"}))
    assert len(changed) == len(EVENT) + 5 + 1
    assert base not in changed
    assert base == event_hash(**EVENT, subject=SUBJECT, payload={"verdict": "accept"})


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"])
def test_a_correction_names_its_masks_by_hash(digest: str) -> None:
    with pytest.raises(ReviewError, match="A correction names its masks by SHA-256"):
        Correction(digest, "b" * 64, changed_voxels=1, seconds=1.0)


@pytest.mark.parametrize(("voxels", "seconds"), [(-1, 1.0), (1, -1.0), (1, float("nan")), (1, float("inf"))])
def test_a_correction_of_an_impossible_size_or_time(voxels: int, seconds: float) -> None:
    with pytest.raises(ReviewError, match=r"^A correction has an impossible size or time: .*; save it again\.$"):
        Correction("a" * 64, "b" * 64, changed_voxels=voxels, seconds=seconds)


def test_a_blind_round_s_order_tells_no_score() -> None:
    assert (Round().queue_order, Round(blind=True).queue_order, Round(blind=True, order="name").queue_order) == (
        "worst", "random", "name",
    )  # fmt: skip
    sentence = r"^This order would tell the score in a blind round: worst; use one of: random, name\.$"
    with pytest.raises(ReviewError, match=sentence):
        Round(blind=True, order="worst")


@pytest.mark.parametrize("settings", [{"readers_per_scan": 0}, {"readers_per_scan": 21}, {"name": " "}, {"name": "a\nb"}])
def test_impossible_rounds(settings: dict) -> None:
    with pytest.raises(ReviewError):
        Round(**settings)
