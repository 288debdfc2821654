"""A second round: verdicts on an earlier run carry over where the mask is the same or nearly so; the other scans are asked for.

A verdict is on a mask over an image. It carries over to a new evaluation of the same scan if the image is the same (by hash), and
the new mask is the one that was judged (by hash), or differs from it so little that for every organ the Dice between the two
reaches a stated amount, 0.99 by default; an organ that is in one of them alone never does. "The reference is wrong" carries over
only where the reference is the same too. Each verdict that carries over is one event, which names its source and the amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cli.progress import ReportProgress, silent
from core.data.masks import read_label_volume
from core.errors import ReviewError
from core.labels import ORGANS
from core.metrics.overlap import Overlap, confusion_per_slice
from core.reviews.store.events import Event, Subject, Verdict
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation

LEAST_DICE = 0.99
QUEUE_COLUMNS = ["patient", "scan", "reason", "least_dice", "organ"]


@dataclass(frozen=True)
class Carried:
    """One verdict that holds for the new mask too."""

    subject: Subject
    """The scan in the new evaluation."""
    source: Event
    """The verdict, in the old one."""
    basis: str


@dataclass(frozen=True)
class CarryOverPlan:
    """What would carry over, and what is left to review."""

    old: str
    new: str
    """RUN · EVALUATION."""
    least_dice: float
    carried: tuple[Carried, ...]
    queued: pd.DataFrame
    """Scans of the new evaluation with a verdict to be asked for, worst change first, those never judged last: `QUEUE_COLUMNS`.
    ``least_dice`` is the smallest Dice of an organ between old and new mask, missing where they were not compared."""

    @property
    def scans(self) -> int:
        """Scans that need no second look."""
        return len({each.subject.scan for each in self.carried} - set(self.queued["scan"]))


@dataclass(frozen=True)
class _Change:
    least_dice: float | None
    organ: str
    reason: str
    """Why nothing carries over; empty where it does."""
    basis: str = ""


def plan_carry_over(
    old: Evaluation,
    new: Evaluation,
    reviews: Mapping[str, ScanReview],
    already: Mapping[str, ScanReview],
    *,
    least_dice: float = LEAST_DICE,
    progress: ReportProgress = silent,
) -> CarryOverPlan:
    """See which verdicts on ``old`` hold for ``new``, reading one scan at a time, and only those whose mask is another.

    Args:
        reviews: the present state of the old evaluation, by scan.
        already: that of the new one; a reader who has judged a scan there keeps that verdict.
        least_dice: the amount, 0 to 1; 1 means identical masks only.

    Raises:
        ReviewError: an impossible amount, one and the same evaluation, or no scan in common.
        MaskError: a predicted mask is missing or damaged.
    """
    _check(old, new, least_dice)
    carried: list[Carried] = []
    queued: list[dict[str, object]] = []
    scans = new.facts
    for done, (scan, facts) in enumerate(scans.items()):
        progress(done, len(scans), scan)
        standing = reviews[scan].standing if scan in reviews else {}
        present = already[scan].standing if scan in already else {}
        change = _change(old, new, scan, standing, least_dice)
        subject = Subject(new.run, new.name, scan, facts["image_sha256"], facts["prediction_sha256"])
        waiting = {reader: each for reader, each in standing.items() if reader not in present}
        kept = [each for each in waiting.values() if not change.reason and _holds(each, old, new)]
        carried += [Carried(subject, each, change.basis) for each in kept]
        reason = change.reason or ("the reference is another now" if len(kept) < len(waiting) else "")
        if reason and (waiting or not present):
            row = {"patient": facts["patient"], "scan": scan, "reason": reason}
            queued.append(row | {"least_dice": change.least_dice, "organ": change.organ})
    progress(len(scans), len(scans), "compared")
    return CarryOverPlan(f"{old.run} · {old.name}", f"{new.run} · {new.name}", least_dice, tuple(carried), _ordered(queued))


def carry_over(store: ReviewStore, plan: CarryOverPlan, *, by: str) -> int:
    """Write one event for each verdict of the plan and return their number; what is stored already is not stored again.

    Raises:
        ReviewError: an impossible name, or the database refuses; what was written by then stays, and a second call goes on.
    """
    for each in plan.carried:
        store.add_carry(each.subject, source=each.source, by=by, basis=each.basis)
    return len(plan.carried)


def _check(old: Evaluation, new: Evaluation, least_dice: float) -> None:
    if not 0 < least_dice <= 1:
        raise ReviewError("Impossible Dice between two masks", value=least_dice, todo="use more than 0 and at most 1")
    names = f"{old.run} · {old.name} and {new.run} · {new.name}"
    if (old.run, old.name) == (new.run, new.name):
        raise ReviewError("Verdicts carry over from one evaluation to another", value=names, todo="name two evaluations")
    if not old.facts.keys() & new.facts.keys():
        raise ReviewError("The evaluations have no scan in common", value=names, todo="evaluate both on the same scans")


def _change(old: Evaluation, new: Evaluation, scan: str, standing: Mapping[str, Event], least_dice: float) -> _Change:
    if not standing:
        return _Change(None, "", "not judged before")
    before, after = old.facts.get(scan), new.facts[scan]
    if {each.subject.image_sha256 for each in standing.values()} != {after["image_sha256"]}:
        return _Change(None, "", "the image is another now")
    judged = {each.subject.mask_sha256 for each in standing.values()}
    if judged == {after["prediction_sha256"]}:
        return _Change(1.0, "", "", "identical mask")
    if before is None or judged - {before["prediction_sha256"], after["prediction_sha256"]}:
        return _Change(None, "", "the mask that was judged is no longer there")
    return _compared(old, new, scan, least_dice)


def _compared(old: Evaluation, new: Evaluation, scan: str, least_dice: float) -> _Change:
    earlier, later = (read_label_volume(each.paths.mask(scan)) for each in (old, new))
    if earlier.shape != later.shape:
        return _Change(None, "", "the masks differ in size")
    confusion = confusion_per_slice(reference=earlier, prediction=later).sum(axis=0)
    dice = {organ: Overlap.of(confusion, organ.id).dice for organ in ORGANS}
    organ = min(dice, key=lambda each: float(np.nan_to_num(dice[each], nan=1.0)))
    value = dice[organ]
    if value >= least_dice:
        return _Change(
            value, organ.name, "", f"Dice between the masks {value:.4f} or more for each organ, {least_dice:g} asked for"
        )
    return _Change(value, organ.name, f"{organ.title} changed: Dice between the masks {value:.3f}")


def _holds(verdict: Event, old: Evaluation, new: Evaluation) -> bool:
    if verdict.payload["verdict"] != Verdict.REFERENCE_WRONG:
        return True
    references = [each.facts.get(verdict.subject.scan, {}).get("reference_sha256") for each in (old, new)]
    return references[0] is not None and references[0] == references[1]


def _ordered(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Worst change first, then changes of another kind, then scans that nobody has judged."""
    table = pd.DataFrame(rows, columns=QUEUE_COLUMNS).astype({"least_dice": float})
    table = table.assign(unjudged=table["reason"] == "not judged before")
    return table.sort_values(["unjudged", "least_dice", "scan"], ignore_index=True).drop(columns="unjudged")
