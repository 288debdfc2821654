"""What a round said as tidy tables: verdicts, findings, comments, corrections and active time, as CSV, JSON and Parquet.

One row is one event. Each carries who and when (UTC), the hashes of the pixels that were shown, the leak badge, whether it was
taken back, and the event's own hash, so that it can be found in the store's chain. In CSV a text that a spreadsheet would take as
a formula gets an apostrophe in front.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from core.reviews.store.events import SCORE_KNOWN, Event, Verdict
from core.reviews.store.state import JUDGING, derive
from core.runs.registry import Evaluation
from core.storage.csv_cells import csv_bytes
from core.storage.files import write_whole

TableFormat = Literal["csv", "json", "parquet"]
TABLE_FORMATS: tuple[TableFormat, ...] = ("csv", "json", "parquet")
_WHOLE = {"slice": "Int64", "x": "Int64", "y": "Int64", "changed_voxels": "Int64", SCORE_KNOWN: "boolean"}
_COMMON = [
    "run", "evaluation", "patient", "scan", "reader", "at", "withdrawn", "image_sha256", "mask_sha256", "leak", "event",
    "sequence", "hash",
]  # fmt: skip
COLUMNS = {
    "verdicts": ["verdict", "verdict_label", "comment", "in_force", "carried_from", "basis", "score_known"],
    "findings": ["kind", "organ", "slice", "x", "y", "comment"],
    "comments": ["comment"],
    "corrections": ["corrected_sha256", "base_sha256", "changed_voxels", "seconds"],
    "activity": ["seconds"],
}
"""Columns of each table after those that all have."""


def round_tables(evaluation: Evaluation, history: Sequence[Event]) -> dict[str, pd.DataFrame]:
    """The tables of one evaluation by name: `COLUMNS`; an evaluation without events has empty ones.

    Args:
        history: its events, in order of writing.
    """
    withdrawn = {each.payload["withdraws"] for each in history if each.kind == "withdrawal"}
    in_force = {each.id for review in derive(history).values() for each in review.standing.values()}
    makers: dict[str, tuple[tuple[str, ...], Callable[[Event], dict[str, Any]]]] = {
        "verdicts": (JUDGING, lambda each: _verdict(each, in_force)),
        "findings": (("finding",), _finding),
        "comments": (("comment",), lambda each: {"comment": each.payload["comment"]}),
        "corrections": (("correction",), _correction),
        "activity": (("activity",), lambda each: {"seconds": float(each.payload["seconds"])}),
    }
    tables = {}
    for name, (kinds, make) in makers.items():
        rows = [_common(each, evaluation, withdrawn) | make(each) for each in history if each.kind in kinds]
        table = pd.DataFrame(rows, columns=[*_COMMON, *COLUMNS[name]])
        kinds_of = {column: kind for column, kind in _WHOLE.items() if column in table}
        tables[name] = table.assign(at=pd.to_datetime(table["at"], utc=True, format="ISO8601")).astype(kinds_of)
    return tables


def _common(event: Event, evaluation: Evaluation, withdrawn: set[str]) -> dict[str, Any]:
    subject = event.subject
    return {
        "run": subject.run,
        "evaluation": subject.evaluation,
        "patient": evaluation.facts.get(subject.scan, {}).get("patient"),
        "scan": subject.scan,
        "reader": event.reader,
        "at": event.at,
        "withdrawn": event.id in withdrawn,
        "image_sha256": subject.image_sha256,
        "mask_sha256": subject.mask_sha256,
        "leak": evaluation.badge.text,
        "event": event.id,
        "sequence": event.sequence,
        "hash": event.hash,
    }


def _verdict(event: Event, in_force: set[str]) -> dict[str, Any]:
    verdict = Verdict(event.payload["verdict"])
    return {
        "verdict": verdict.value,
        "verdict_label": verdict.label,
        "comment": event.payload["comment"],
        "in_force": event.id in in_force,
        "carried_from": event.payload.get("source"),
        "basis": event.payload.get("basis"),
        "score_known": event.payload.get(SCORE_KNOWN),
    }


def _finding(event: Event) -> dict[str, Any]:
    said = event.payload
    return {key: said[key] for key in ("kind", "organ", "x", "y", "comment")} | {"slice": said["slice_number"]}


def _correction(event: Event) -> dict[str, Any]:
    said = event.payload
    return {
        "corrected_sha256": said["mask_sha256"],
        "base_sha256": said["base_sha256"],
        "changed_voxels": said["changed_voxels"],
        "seconds": float(said["seconds"]),
    }


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path, formats: Sequence[TableFormat]) -> list[Path]:
    """Write each table in each format, such as ``verdicts.csv``; return the files.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    writers = {"csv": csv_bytes, "json": _json_bytes, "parquet": _parquet_bytes}
    written = []
    for name, table in tables.items():
        for form in formats:
            path = folder / f"{name}.{form}"
            write_whole(path, writers[form](table))
            written.append(path)
    return written


def _json_bytes(table: pd.DataFrame) -> bytes:
    rows = json.loads(table.to_json(orient="records", date_format="iso", force_ascii=False))
    return (json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _parquet_bytes(table: pd.DataFrame) -> bytes:
    content: bytes = table.to_parquet(index=False)
    return content
