"""A workspace in which every text that a file or a person may bring tries to become a link, a picture or markup."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from core.data.manifest import read_manifest
from core.data.survey import SurveyPaths, stamp_of
from core.reviews.store.events import Round, Subject, Verdict
from core.reviews.store.store import ReviewStore
from core.runs.library import RunDescription, write_about
from core.runs.registry import RunStatus, write_status
from core.storage.files import read_json, write_json
from core.storage.workspace import Workspace
from tests.simulated_workspace import DATASET, simulated_workspace

FOREIGN = "foreign.example"
TEXT = (
    f"![x](http://{FOREIGN}/p.png) [l](http://{FOREIGN}) <img src=http://{FOREIGN}/i> <a href='http://{FOREIGN}'>a</a> "
    f":material/home: :smile: :red[r] $x^2$ `c` http://{FOREIGN}/bare www.{FOREIGN} me@{FOREIGN}"
)
"""For what a file says and people type at length."""
NAME = f"![x](p) [l](p) <img src=p> :smile: :red[r] $x$ `c` www.{FOREIGN} me@{FOREIGN}"
"""For what names a scan: no stroke, which would make a folder of it."""
READER = f"<b>www.{FOREIGN}</b> [l](p) :smile:"
FORMULA = "=1+1"
"""A setting that a spreadsheet would reckon out."""
RUN, EVALUATION = "sim-2", f"{DATASET}-valid"


def hostile_workspace(root: Path) -> str:
    """Build it; return the scan that readers judged (one of the name `NAME` the store refuses)."""
    simulated_workspace(root, scans=8)
    workspace = Workspace(root)
    for run in ("sim-1", RUN):
        _rename_scan(workspace, run)
    paths = workspace.run(RUN)
    paths.config.write_text(f"{paths.config.read_text()}note: '{FORMULA}'\n")
    write_about(paths, RunDescription(title=TEXT[:120], tags=(NAME[:40],), notes=TEXT))
    write_status(paths, RunStatus("finished", started_at=1_793_000_000.0, message=TEXT))
    _describe(workspace.dataset(DATASET))
    judged = list(read_json(paths.evaluation(EVALUATION).summary)["scans"])[1]
    _judge(workspace, judged)
    return judged


def _rename_scan(workspace: Workspace, run: str) -> None:
    """The scan of the lowest Dice, so that every page shows it first."""
    paths = workspace.run(run).evaluation(EVALUATION)
    summary = read_json(paths.summary)
    old = next(iter(summary["scans"]))
    summary["scans"] = {NAME if scan == old else scan: facts for scan, facts in summary["scans"].items()}
    summary["dataset"]["name"] = TEXT
    summary["conventions"]["unit"] = TEXT
    write_json(paths.summary, summary)
    for table in (paths.scans, paths.slices, paths.errors):
        rows = pd.read_parquet(table)
        rows["scan"] = rows["scan"].replace(old, NAME)
        rows.to_parquet(table, index=False)


def _describe(root: Path) -> None:
    manifest = read_manifest(root)
    told = replace(manifest, source=TEXT, licence=TEXT, split=TEXT)
    write_json(root / "dataset.json", told.to_json())
    (root / "disputed.txt").write_text(f"{NAME.split(maxsplit=1)[0]} {TEXT}\n")
    state = SurveyPaths(root).state
    write_json(state, json.loads(state.read_text()) | {"stamp": stamp_of(root)})


def _judge(workspace: Workspace, scan: str) -> None:
    store = ReviewStore.open(workspace.reviews_db)
    for run in ("sim-1", RUN):
        subject = Subject(run, EVALUATION, scan, "i", "m")
        for reader, verdict in ((READER, Verdict.ACCEPT), ("Dr. Bo", Verdict.REFERENCE_WRONG)):
            store.add_verdict(subject, reader=reader, verdict=verdict, comment=TEXT)
    store.set_round(RUN, EVALUATION, Round(f"[l](p) <img src=p> www.{FOREIGN}"), by=READER)
    store.close()
