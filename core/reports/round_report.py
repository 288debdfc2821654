"""The report of a round of reviews: progress, verdicts, agreement, which score is accepted, disputed references, every scan."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from core.charts.scores import score_title
from core.cli.progress import ReportProgress, silent
from core.errors import GutCheckError
from core.evaluation.cases import case_table
from core.labels import MACRO, ORGANS, TITLES
from core.reports.page import Section, facts, figure, gallery, html_page, paragraph, picture, table
from core.reports.pictures import panel, read_shown_scan, worst_positions
from core.reports.scan_report import without_empty
from core.reviews.round.acceptance import OF_WHOLE_SCANS, PROBABILITIES, Acceptance, Headline, acceptance, effort, headline
from core.reviews.round.agreement import Coefficient, ReaderAgreement, reader_agreement
from core.reviews.store.events import Verdict
from core.reviews.store.state import ScanReview
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace

PICTURES = 60
"""Scans shown as pictures, the worst first; at 30 KB each a file of 2 MB."""
THUMBNAIL = 200
_ACCENT, _BAND = "#1a87a6", "rgba(26,135,166,0.18)"
Reviews = Mapping[str, ScanReview]


def round_report(
    workspace: Workspace,
    evaluation: Evaluation,
    reviews: Reviews,
    *,
    blind: bool = False,
    pictures: int = PICTURES,
    progress: ReportProgress = silent,
) -> str:
    """One HTML document about the reviews of one evaluation; one scan is in memory at a time.

    Args:
        reviews: the present state by scan, see `ReviewStore.reviews`.
        blind: the round is blind, see `core.reviews.round.agreement.reader_agreement`.
        pictures: how many scans to show, the worst first. A scan whose files cannot be read is named instead.

    Raises:
        WorkspaceError: a table of the evaluation is missing or damaged.
    """
    scans = evaluation.scans()
    reviews = {scan: review for scan, review in reviews.items() if scan in evaluation.facts}
    cases = case_table(scans, {scan: review.state for scan, review in reviews.items()})
    patients = {scan: str(known["patient"]) for scan, known in evaluation.facts.items()}
    sections = [
        Section("Progress", _progress(cases, reviews)),
        Section("Mean Dice with and without disputed references", _headline(headline(scans, reviews))),
        Section("Verdicts", _verdicts(reviews)),
        Section("Do the readers agree?", _agreement(reader_agreement(reviews, patients, blind=blind))),
        Section("At which score is a scan accepted?", _acceptance(acceptance(scans, reviews))),
        Section("Disputed references", _disputed(reviews)),
        Section("Scans, worst first", [_cases(cases, reviews)]),
        Section("Pictures, worst first", _pictures(workspace, evaluation, cases, pictures, progress)),
    ]
    subtitle = f"Run {evaluation.run}, evaluation {evaluation.name}, evaluated {evaluation.summary.get('created_at', '')}"
    return html_page(f"Review of {evaluation.name}", sections, badge=evaluation.badge.text, subtitle=subtitle)


def _progress(cases: pd.DataFrame, reviews: Reviews) -> list[Markup]:
    judged = [review for review in reviews.values() if review.standing]
    minutes = effort(reviews)
    fixed = minutes[minutes["corrections"] > 0]
    shown = {
        "Scans": len(cases),
        "Judged": len(judged),
        "Waiting": len(cases) - len(judged),
        "Readers": len({reader for review in judged for reader in review.standing}),
        "Verdicts": sum(len(review.standing) for review in judged),
        "of them carried over": sum(len(review.carried) for review in judged),
        "Findings": sum(len(review.findings) for review in reviews.values()),
        "Corrections": int(minutes["corrections"].sum()),
        "Minutes a scan, median": _median(minutes.loc[minutes["active_min"] > 0, "active_min"]),
        "Minutes of correction a corrected scan, median": _median(fixed["correction_min"]),
    }
    return [facts(shown)]


def _median(values: "pd.Series[float]") -> str | None:
    return f"{values.median():.1f}" if len(values) else None


def _headline(lines: Sequence[Headline]) -> list[Markup]:
    note = f"Scans left out because a reader calls their reference wrong: {lines[0].disputed}. In brackets 95% intervals that "
    note += "resample patients; n counts scans."
    return [table(headline_table(lines).rename(columns={"n without": "n "})), paragraph(note, quiet=True)]


def headline_table(lines: Sequence[Headline]) -> pd.DataFrame:
    """A row an organ: its mean Dice with and without disputed references, and of how many scans."""
    rows = [
        {
            "Organ": TITLES[each.organ],
            "All scans": _mean(each.all_scans),
            "n": each.all_scans["scans"],
            "Without disputed": _mean(each.undisputed),
            "n without": each.undisputed["scans"],
        }
        for each in lines
    ]
    return pd.DataFrame(rows)


def _mean(of: Mapping[str, float | None]) -> str:
    return interval_text(of["mean"], of["low"], of["high"])


def interval_text(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """``0.812 (0.750 to 0.861)``, kept on one line; without an interval the value alone, and a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    if low is not None and high is not None:
        text += f" ({low:.{digits}f} to {high:.{digits}f})"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _verdicts(reviews: Reviews) -> list[Markup]:
    given = Counter((reader, verdict) for review in reviews.values() for reader, verdict in review.verdicts.items())
    readers = sorted({reader for reader, _ in given})
    if not readers:
        return [paragraph("Nobody has judged a scan yet.")]
    rows = [
        {"Verdict": verdict.label, "All": sum(given[reader, verdict] for reader in readers)}
        | {reader: given[reader, verdict] for reader in readers}
        for verdict in Verdict
    ]
    return [table(pd.DataFrame(rows))]


def _agreement(found: ReaderAgreement) -> list[Markup]:
    left_out = [paragraph(sentence, quiet=True) for sentence in score_sentences(found)]
    if not found.pairs:
        return [paragraph("No scan has verdicts of two readers yet."), *left_out]
    pairs = kappa_table(found, between=", ").rename(columns={"n": "Scans"})
    parts = [table(pairs), paragraph(f"{KAPPA_NOTE}.", quiet=True), *left_out]
    if found.fleiss and found.light_linear and found.light_quadratic:
        several = {
            f"Fleiss' kappa, {found.fleiss.scans} scans with {found.verdicts_per_scan} verdicts": coefficient_text(found.fleiss),
            "Mean of the pairs, linear weights": coefficient_text(found.light_linear),
            "Mean of the pairs, quadratic weights": coefficient_text(found.light_quadratic),
        }
        parts.append(facts(several))
    titles = {"scan": "Scan", "verdicts": "Verdicts", "spread": "Steps apart", "majority": "Most say"}
    apart = found.disagreements[list(titles)].rename(columns=titles)
    return [*parts, table(apart) if len(apart) else paragraph("The readers agree on every scan that several judged.")]


def kappa_table(found: ReaderAgreement, between: str) -> pd.DataFrame:
    """A row a pair of readers: how far they agree, by each coefficient."""
    rows = [
        {
            "Readers": f"{each.first}{between}{each.second}",
            "n": each.kappa.scans,
            "Same verdict": coefficient_text(each.percent),
            "Kappa": coefficient_text(each.kappa),
            "Linear weights": coefficient_text(each.linear),
            "Quadratic weights": coefficient_text(each.quadratic),
            "Off the scale": each.outside,
        }
        for each in found.pairs
    ]
    return pd.DataFrame(rows)


KAPPA_NOTE = (
    "Kappa (Cohen) counts all six verdicts. The weighted ones are of the four-point scale and leave out scans that a reader "
    "calls unusable or whose reference is called wrong. In brackets 95% intervals that resample patients"
)


def score_sentences(found: ReaderAgreement) -> list[str]:
    """What a blind round's coefficients leave out, and what nobody knows of their verdicts."""
    said = []
    if found.score_known:
        said.append(f"Verdicts left out because their reader knew the scan's score: {found.score_known}.")
    if found.score_unsaid:
        said.append(f"Verdicts from before it was stored whether their reader knew the score: {found.score_unsaid}; they count.")
    return said


def coefficient_text(each: Coefficient) -> str:
    """See `interval_text`."""
    return interval_text(each.value, each.low, each.high, digits=2)


def _acceptance(found: Sequence[Acceptance]) -> list[Markup]:
    judged = [each for each in found if each.verdicts]
    if not judged:
        return [paragraph("No verdict on the four-point scale yet.")]
    note = (
        "Logistic regression over the standing verdicts on the four-point scale; “Accept” counts as accepted. In brackets 95% "
        "intervals that resample patients. A limit outside the scores judged is not told (–)."
    )
    drawn = [each for each in found if each.organ == MACRO and not each.problem]
    figures = [figure(acceptance_figure(each), height=340) for each in drawn]
    told = [paragraph(note, quiet=True), paragraph(OF_WHOLE_SCANS, quiet=True)]
    shown = acceptance_table(judged).drop(columns=["Patients", "Left out, no score"])
    return [table(without_empty(shown)), *told, *figures]


def acceptance_table(judged: Sequence[Acceptance]) -> pd.DataFrame:
    """A row a score and organ: the verdicts on it, and where half and 80% of the scans are accepted."""
    return pd.DataFrame([_limits_row(each) for each in judged])


def _limits_row(each: Acceptance) -> dict[str, object]:
    limits = [interval_text(limit.score, limit.low, limit.high) for limit in each.limits] or ["–"] * len(PROBABILITIES)
    return {
        "Score": score_title(each.score),
        "Of": TITLES[each.organ],
        "Verdicts on scans": each.verdicts,
        "Scans accepted": each.accepted,
        "Patients": each.patients,
        "Half of the scans accepted at": limits[0],
        "80% of the scans accepted at": limits[1],
        "Left out, no score": each.without_score,
        "Note": each.problem,
    }


def acceptance_figure(found: Acceptance) -> go.Figure:
    """P(the whole scan is accepted) over a score, with its band, and each verdict as a tick above or below."""
    curve, points = found.curve, found.points
    drawn = go.Figure()
    colour = next((each.chart for each in ORGANS if each.name == found.organ), _ACCENT)
    if curve["low"].notna().all():
        ends = pd.concat([curve["high"], curve["low"][::-1]]), pd.concat([curve["score"], curve["score"][::-1]])
        drawn.add_scatter(
            x=ends[1], y=ends[0], fill="toself", fillcolor=_BAND, line={"width": 0}, hoverinfo="skip", name="95% interval"
        )
    drawn.add_scatter(x=curve["score"], y=curve["p"], mode="lines", line={"color": colour, "width": 3}, name="P(scan accepted)")
    drawn.add_scatter(
        x=points["score"],
        y=points["accepted"].astype(float),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 12, "color": "#808080"},
        customdata=points[["scan", "reader"]],
        hovertemplate="%{customdata[0]}, %{customdata[1]}<br>%{x:.3f}<extra></extra>",
        name="Verdicts",
    )
    drawn.update_xaxes(title=f"{score_title(found.score)}, {TITLES[found.organ].lower()}")
    drawn.update_yaxes(title="P(scan accepted)", range=[-0.06, 1.06])
    return drawn.update_layout(margin={"t": 10, "r": 10}, legend={"orientation": "h", "y": 1.12})


def _disputed(reviews: Reviews) -> list[Markup]:
    rows = [
        {"Scan": scan, "Reader": reader, "Comment": review.comments[reader]}
        for scan, review in reviews.items()
        for reader, verdict in review.verdicts.items()
        if verdict is Verdict.REFERENCE_WRONG
    ]
    return [table(pd.DataFrame(rows))] if rows else [paragraph("No reader calls a reference wrong.")]


def _cases(cases: pd.DataFrame, reviews: Reviews) -> Markup:
    titles = (
        {"scan": "Scan", "mean_dice": "Mean Dice"}
        | {each.name: each.title for each in ORGANS}
        | {"notes": "Notes", "state": "Review"}
    )
    shown = cases[list(titles)].rename(columns=titles)
    known = [reviews.get(str(scan), ScanReview()) for scan in cases["scan"]]
    said = [" · ".join(f"{reader}: {text}" for reader, text in each.comments.items() if text) for each in known]
    return table(shown.assign(Findings=[len(each.findings) for each in known], Comments=said))


def _pictures(
    workspace: Workspace, evaluation: Evaluation, cases: pd.DataFrame, count: int, progress: ReportProgress
) -> list[Markup]:
    slices = evaluation.slices()
    found, problems = [], []
    rows = cases.head(count)
    for done, (scan, dice, state) in enumerate(zip(rows["scan"], rows["mean_dice"], rows["state"], strict=True)):
        progress(done, len(rows), scan)
        try:
            found.append(_thumbnail(workspace, evaluation, scan, state, dice, slices))
        except GutCheckError as error:
            problems.append(f"{scan}: {error}")
    progress(len(rows), len(rows), "drawn")
    rest = [f"{len(cases) - len(rows)} more scans are in the table alone."] if len(cases) > len(rows) else []
    explained = paragraph(
        "Each scan's slice with the most differing voxels: reference on the left, prediction on the right.", quiet=True
    )
    return [explained, gallery(found), *(paragraph(each, quiet=True) for each in [*problems, *rest])]


def _thumbnail(workspace: Workspace, evaluation: Evaluation, scan: str, state: str, dice: float, slices: pd.DataFrame) -> Markup:
    shown = read_shown_scan(workspace, evaluation, scan, ScanReview())
    position = next(iter(worst_positions(slices, scan, 1)), len(shown.numbers) // 2)
    told = f"{scan}, slice {shown.numbers[position]}. {'No score' if math.isnan(dice) else f'Mean Dice {dice:.3f}'}. {state}"
    sides = [panel(shown, labels, position, side=THUMBNAIL) for labels in (shown.reference, shown.prediction)]
    return picture(np.concatenate(sides, axis=1), caption=told)
