"""The report of one scan: its worst slices, scores, error regions, and what readers said and marked."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from core.charts.scores import score_title
from core.evaluation.cases import OUTCOME_WORDS
from core.labels import ORGAN_NAMES, TITLES
from core.metrics.surface import nsd_columns
from core.reports.page import Section, facts, gallery, html_page, paragraph, picture, table
from core.reports.pictures import ShownScan, panel, read_shown_scan, worst_positions
from core.reviews.store.events import Event, Verdict
from core.reviews.store.state import ScanReview
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace

WORST_SLICES = 4
MOST_SLICES = 24
"""Slices in a report, those with findings first; a scan where every slice has one would make a file that no mail takes."""
MOST_REGIONS = 15


def scan_report(workspace: Workspace, evaluation: Evaluation, scan: str, review: ScanReview) -> str:
    """One HTML document about a scan.

    Args:
        review: the scan's present state, see `ReviewStore.scan_review`.

    Raises:
        WorkspaceError: no such scan, a table is missing, or files were changed since the evaluation.
        DatasetError, ImageError, MaskError: files that are gone or damaged.
    """
    shown = read_shown_scan(workspace, evaluation, scan, review)
    sections = [
        Section("Scores", [_scores(evaluation, scan), paragraph(_convention(evaluation, scan), quiet=True)]),
        Section("What readers said", _verdicts(review)),
        Section("Findings", _findings(review)),
        Section("Worst slices, and slices with findings", _pictures(evaluation, scan, shown, review)),
        Section("Error regions", _regions(evaluation, scan)),
        Section("What this rests on", [_provenance(evaluation, scan)]),
    ]
    subtitle = f"Run {evaluation.run}, evaluation {evaluation.name}"
    return html_page(f"Scan {scan}: {review.state}", sections, badge=evaluation.badge.text, subtitle=subtitle)


_CONVENTION = (
    "Scores are of the whole scan in 3D, background left out. An organ that is in neither mask has no score; one that is in the "
    "reference or the prediction alone scores 0."
)
_PARTIAL = " This scan is partial (one slice alone, or slices missing): it has no distances and no volumes."


def _convention(evaluation: Evaluation, scan: str) -> str:
    partial = evaluation.scan_facts(scan).get("partial", False)
    return _CONVENTION + (_PARTIAL if partial else "")


def time_of(event: Event) -> str:
    """An event's time for people."""
    return f"{event.at[:16].replace('T', ' ')} UTC"


def _scores(evaluation: Evaluation, scan: str) -> Markup:
    rows = evaluation.scans().set_index(["scan", "organ"]).loc[scan].reindex(list(ORGAN_NAMES))
    scores = ["dice", *nsd_columns(rows.columns), "hd95_mm"]
    columns = {name: score_title(name) for name in scores} | {"reference_ml": "Reference, ml", "prediction_ml": "Prediction, ml"}
    shown = pd.DataFrame({"Organ": [TITLES[name] for name in rows.index]})
    shown["Outcome"] = [OUTCOME_WORDS.get(outcome, outcome) for outcome in rows["outcome"]]
    for name, title in columns.items():
        shown[title] = rows[name].astype(float).to_numpy()
    return table(shown, formats=dict.fromkeys(("HD95, mm", "Reference, ml", "Prediction, ml"), ".1f"))


def _verdicts(review: ScanReview) -> list[Markup]:
    rows = [
        {
            "Reader": reader,
            "Verdict": Verdict(event.payload["verdict"]).label,
            "When": time_of(event),
            "Comment": event.payload["comment"],
            "Carried over": event.payload.get("basis", "") if event.kind == "carry" else "",
        }
        for reader, event in review.standing.items()
    ]
    remarks = [{"Reader": each.reader, "When": time_of(each), "Remark": each.payload["comment"]} for each in review.remarks]
    fixes = [
        {
            "Corrected by": each.reader,
            "When": time_of(each),
            "Changed voxels": int(each.payload["changed_voxels"]),
            "Minutes": float(each.payload["seconds"]) / 60,
        }
        for each in review.corrections
    ]
    active = {f"Minutes of {reader}": f"{seconds / 60:.1f}" for reader, seconds in review.active_s.items()}
    tables = [table(without_empty(pd.DataFrame(each)), formats={"Minutes": ".1f"}) for each in (rows, remarks, fixes) if each]
    return (tables or [paragraph("Nobody has judged this scan yet.")]) + ([facts(active)] if active else [])


def without_empty(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without the columns in which no row has anything."""
    return rows[[name for name in rows.columns if (rows[name] != "").any()]]


def _findings(review: ScanReview) -> list[Markup]:
    rows = [
        {
            "No.": number,
            "Reader": each.reader,
            "Kind": each.payload["kind"].capitalize(),
            "Organ": TITLES[each.payload["organ"]],
            "Slice": int(each.payload["slice_number"]),
            "Place": "whole slice" if each.payload["x"] is None else f"column {each.payload['x']}, row {each.payload['y']}",
            "Comment": each.payload["comment"],
        }
        for number, each in enumerate(review.findings, start=1)
    ]
    return [table(pd.DataFrame(rows))] if rows else [paragraph("No findings.")]


def _pictures(evaluation: Evaluation, scan: str, shown: ShownScan, review: ScanReview) -> list[Markup]:
    places = {number: position for position, number in enumerate(shown.numbers)}
    found = [(each.payload, number) for number, each in enumerate(review.findings, start=1)]
    marked = sorted({places[payload["slice_number"]] for payload, _ in found if payload["slice_number"] in places})
    worst = worst_positions(evaluation.slices(), scan, WORST_SLICES)
    positions = sorted(dict.fromkeys([*marked, *worst]).keys())[:MOST_SLICES]
    if not positions:
        return [paragraph("Reference and prediction agree on every slice.")]
    left_out = len({*marked, *worst}) - len(positions)
    note = [paragraph(f"{left_out} more slices with findings are left out.", quiet=True)] if left_out else []
    return [gallery(_row(shown, position, found)) for position in positions] + note


def _row(shown: ShownScan, position: int, found: list[tuple[dict[str, Any], int]]) -> list[Markup]:
    """Reference, prediction and, where there is one, the correction of one slice."""
    number = shown.numbers[position]
    here = [(payload, index) for payload, index in found if payload["slice_number"] == number]
    marks = [(str(index), payload["x"], payload["y"]) for payload, index in here if payload["x"] is not None]
    named = f" (findings {', '.join(str(index) for _, index in here)})" if here else ""
    sides = [("reference", shown.reference, ()), (f"prediction{named}", shown.prediction, marks)]
    if shown.correction is not None:
        sides.append(("correction", shown.correction, ()))
    return [picture(panel(shown, labels, position, rings), caption=f"Slice {number}: {title}") for title, labels, rings in sides]


def _regions(evaluation: Evaluation, scan: str) -> list[Markup]:
    every = evaluation.errors()
    rows = every[every["scan"] == scan].sort_values("voxels", ascending=False, kind="stable")
    if rows.empty:
        return [paragraph("Reference and prediction agree everywhere.")]
    shown = rows.head(MOST_REGIONS)
    columns = {
        "Kind": [str(kind).replace("_", " ").capitalize() for kind in shown["kind"]],
        "Organ": [TITLES.get(name, name) for name in shown["organ"]],
        "Drawn as": [TITLES.get(name, "") for name in shown["other"]],
        "Slice": shown["slice"].to_numpy(),
        "Volume, ml": shown["volume_ml"].to_numpy(),
        "Voxels": shown["voxels"].to_numpy(),
    }
    note = f"The largest {len(shown)} of {len(rows)} connected regions in which prediction and reference differ."
    return [paragraph(note, quiet=True), table(pd.DataFrame(columns), formats={"Volume, ml": ".2f"})]


def _provenance(evaluation: Evaluation, scan: str) -> Markup:
    known = evaluation.scan_facts(scan)
    rows = {
        "Evaluated": evaluation.summary.get("created_at", ""),
        "Data set": evaluation.summary["dataset"]["name"],
        "Slices": str(len(known["slice_numbers"])),
        "Spacing (z, y, x), mm": "unknown"
        if known["spacing_mm"] is None
        else ", ".join(f"{each:g}" for each in known["spacing_mm"]),
        "SHA-256 of the image": known["image_sha256"],
        "SHA-256 of the reference": known["reference_sha256"],
        "SHA-256 of the prediction": known["prediction_sha256"],
    }
    return table(pd.DataFrame({"What": list(rows), "Value": list(rows.values())}))
