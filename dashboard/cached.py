"""Every cache of the dashboard, each bounded; keys hold the file's time, so that a new evaluation is seen at once."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from core.charts.scores import with_worst_slice
from core.data.images import Window
from core.data.survey import SurveyPaths, read_survey, stamp_of
from core.evaluation.compare import Comparison, compare
from core.evaluation.disputes import scan_candidates
from core.imaging import thumbnails
from core.imaging.overlay import Rgb
from core.reviews.queue.activity import ActivityMeter
from core.reviews.queue.scan_table import ScanTable, read_scan_table
from core.reviews.round.acceptance import Acceptance, Headline, acceptance
from core.reviews.round.acceptance import headline as disputed_headline
from core.reviews.round.agreement import ReaderAgreement, reader_agreement
from core.reviews.store.shared import shared_store
from core.reviews.store.state import ScanReview
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, Run, list_runs, open_run
from core.storage.workspace import EvaluationPaths, Workspace


def evaluations(workspace: Workspace) -> list[Evaluation]:
    """Every evaluation of the workspace, those of the newest run first."""
    found: list[Evaluation] = []
    for run in list_runs(workspace):
        found += _evaluations_of(run.name, str(run.paths.root), _stamp(run))
    return found


def _stamp(run: Run) -> tuple[tuple[str, int], ...]:
    files = sorted(run.paths.evaluations.glob("[!.]*/evaluation.json"))
    return tuple((path.parent.name, path.stat().st_mtime_ns) for path in files)


@st.cache_data(max_entries=200, show_spinner=False)
def _evaluations_of(name: str, root: str, stamp: tuple[tuple[str, int], ...]) -> list[Evaluation]:
    return open_run(Path(root)).evaluations() if stamp else []


def scans(evaluation: Evaluation) -> pd.DataFrame:
    """The scan table of an evaluation. Raises: see `core.runs.registry.Evaluation.scans`."""
    return _scans(str(evaluation.paths.root), evaluation.run, evaluation.summary["created_at"])


@st.cache_data(max_entries=50, show_spinner=False)
def _scans(root: str, run: str, created_at: str) -> pd.DataFrame:
    return _named(root, run).scans()


SLICE_COLUMNS = [
    "patient", "scan", "day", "slice", "position", "organ", "dice", "reference_voxels", "prediction_voxels", "both_voxels",
    "confidence",
]  # fmt: skip
"""What the charts need; a large evaluation has a million rows."""
KEPT_TABLES = 4


def slices(evaluation: Evaluation) -> pd.DataFrame:
    """The columns `SLICE_COLUMNS` of an evaluation's slice table, names as categories: shared, and not to be changed.

    Raises: see `core.runs.registry.Evaluation.slices`.
    """
    return _slices(str(evaluation.paths.root), evaluation.run, evaluation.summary["created_at"])


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner=False)
def _slices(root: str, run: str, created_at: str) -> pd.DataFrame:
    table = _named(root, run).slices(SLICE_COLUMNS)
    return table.astype(dict.fromkeys(("patient", "scan", "organ"), "category"))


def errors(evaluation: Evaluation) -> pd.DataFrame:
    """The error regions of an evaluation: shared, and not to be changed. Raises: see `core.runs.registry.Evaluation.errors`."""
    return _errors(str(evaluation.paths.root), evaluation.run, evaluation.summary["created_at"])


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner=False)
def _errors(root: str, run: str, created_at: str) -> pd.DataFrame:
    return _named(root, run).errors()


def scans_to_look_at(evaluation: Evaluation) -> pd.DataFrame:
    """The scan table with each organ's worst slice: shared, and not to be changed.

    Raises: see `core.runs.registry.Evaluation.scans` and `core.runs.registry.Evaluation.slices`.
    """
    return _scans_to_look_at(evaluation, evaluation.summary["created_at"], str(evaluation.paths.root))


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner=False)
def _scans_to_look_at(_evaluation: Evaluation, created_at: str, root: str) -> pd.DataFrame:
    return with_worst_slice(scans(_evaluation), slices(_evaluation))


def largest_slice(evaluation: Evaluation, scan: str, organ: str) -> tuple[int, int]:
    """Number and position of the slice of a scan with most of an organ, in reference and prediction together."""
    table = slices(evaluation)
    mine = table[(table["scan"] == scan) & (table["organ"] == organ)]
    row = mine.iloc[int((mine["reference_voxels"] + mine["prediction_voxels"]).to_numpy().argmax())]
    return int(row["slice"]), int(row["position"])


def day_pictures(evaluation: Evaluation, scan: str, position: int) -> tuple[Rgb, Rgb]:
    """A slice with reference and with prediction. Raises: see `core.imaging.thumbnails.day_pictures`."""
    return _day_pictures(evaluation, str(evaluation.paths.root), evaluation.summary["created_at"], scan, position)


@st.cache_data(max_entries=200, show_spinner=False)
def _day_pictures(_evaluation: Evaluation, root: str, created_at: str, scan: str, position: int) -> tuple[Rgb, Rgb]:
    return thumbnails.day_pictures(_evaluation, scan, position)


def comparison(a: Evaluation, b: Evaluation) -> Comparison:
    """Two evaluations compared: shared, and not to be changed. Raises: see `core.evaluation.compare.compare`."""
    return _comparison(a, b, (a.run, a.name, a.summary["created_at"]), (b.run, b.name, b.summary["created_at"]))


Key = tuple[str, str, str]


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner="Comparing scan by scan …")
def _comparison(_a: Evaluation, _b: Evaluation, key_a: Key, key_b: Key) -> Comparison:
    return compare(_a, _b)


def changes_to_look_at(a: Evaluation, b: Evaluation) -> pd.DataFrame:
    """`core.evaluation.compare.Comparison.changes` with the worst slice in B of the organ that changed most."""
    worst = scans_to_look_at(b)[["scan", "organ", "slice"]]
    return comparison(a, b).changes.merge(worst, on=["scan", "organ"], how="left")


def survey(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the survey of a data set saw: shared, and not to be changed. Raises: see `core.data.survey.read_survey`."""
    return _survey(root, SurveyPaths(root).slices.stat().st_mtime_ns if SurveyPaths(root).slices.exists() else 0)


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner=False)
def _survey(root: Path, stamp: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_survey(root)


def suspicious(evaluation: Evaluation) -> pd.DataFrame:
    """Scans where a confident model disagrees with the reference, see `core.evaluation.disputes.scan_candidates`."""
    return _suspicious(evaluation, str(evaluation.paths.root), evaluation.summary["created_at"])


@st.cache_data(max_entries=KEPT_TABLES, show_spinner="Looking for suspicious references …")
def _suspicious(_evaluation: Evaluation, root: str, created_at: str) -> pd.DataFrame:
    # Without the regions: to look each of them up takes minutes where there are many scans.
    found = scan_candidates(slices(_evaluation).astype({"scan": "str", "patient": "str", "organ": "str"}))
    return found[found["candidates"] > 0]


def slice_picture(root: Path, split: str, scan: str, name: str, side: int = thumbnails.SIDE) -> Rgb:
    """A slice of a data set with its reference, under its scan's window. Raises: see `core.imaging.thumbnails`.

    The first slice of a scan decodes the whole scan for its window, so that a page of 24 slices of 24 scans decodes all 24.
    """
    return _slice_picture(root, split, scan, name, side, stamp_of(root))


@st.cache_data(max_entries=500, show_spinner=False)
def _slice_picture(root: Path, split: str, scan: str, name: str, side: int, stamp: str) -> Rgb:
    return thumbnails.slice_picture(root, split, name, _window(root, split, scan, stamp), side=side)


@st.cache_resource(max_entries=1000, show_spinner=False)
def _window(root: Path, split: str, scan: str, stamp: str) -> Window:
    return thumbnails.window_of(root, split, scan)


def _named(root: str, run: str) -> Evaluation:
    return Evaluation(run, Path(root).name, EvaluationPaths(Path(root)), {})


def store(database: Path) -> ReviewStore:
    """The review store of a workspace. Raises: see `core.reviews.store.shared.shared_store`."""
    return shared_store(database)


@st.cache_resource(max_entries=4, show_spinner=False, on_release=ActivityMeter.close)
def meter(database: Path) -> ActivityMeter:
    """What measures the readers' active time in a workspace's review store. Raises: see
    `core.reviews.store.store.ReviewStore.open`."""
    return ActivityMeter(store(database))


def scan_table(evaluation: Evaluation, disputed: Collection[str], other: Evaluation | None = None) -> ScanTable:
    """What the worklist filters and sorts by: shared, and not to be changed.

    Args:
        disputed: scans whose reference is disputed.
        other: the evaluation against which a change is measured.

    Raises: see `core.reviews.queue.scan_table.read_scan_table`.
    """
    table = _scan_table(evaluation, *_key(evaluation))
    against = _scan_table(other, *_key(other)) if other else None
    return _marked(table, against, _key(evaluation), _key(other) if other else None, tuple(sorted(disputed)))


def _key(evaluation: Evaluation) -> Key:
    return str(evaluation.paths.root), evaluation.run, evaluation.summary["created_at"]


@st.cache_resource(max_entries=KEPT_TABLES, show_spinner="Reading the scores …")
def _scan_table(_evaluation: Evaluation, root: str, run: str, created_at: str) -> ScanTable:
    manifest = open_run(Path(root).parents[1]).manifest() or {}
    try:
        trained_on = manifest["splits"]["train"]["patients"]
    except (KeyError, TypeError):
        trained_on = None
    return read_scan_table(_evaluation, trained_on=trained_on)


@st.cache_resource(max_entries=2 * KEPT_TABLES, show_spinner=False)
def _marked(_table: ScanTable, _other: ScanTable | None, key: Key, other_key: Key | None, disputed: tuple[str, ...]) -> ScanTable:
    table = replace(_table, scans=_table.scans.assign(disputed=_table.scans["scan"].isin(disputed)))
    return table.with_change(table.dice_change(_other)) if _other else table


def round_found(evaluation: Evaluation, store: ReviewStore) -> tuple[ReaderAgreement, list[Acceptance], list[Headline]]:
    """How far the readers agree, which scores they accept, and the headline without disputed references, as of now.

    Raises: see `core.runs.registry.Evaluation.scans` and `core.reviews.store.store.ReviewStore.reading`.
    """
    reviews = store.reviews(run=evaluation.run, evaluation=evaluation.name)
    said = tuple(sorted(event.hash for review in reviews.values() for event in review.standing.values()))
    settings = store.round(run=evaluation.run, evaluation=evaluation.name)
    return _round_found(evaluation, reviews, *_key(evaluation), said, blind=bool(settings and settings.blind))


@st.cache_data(max_entries=KEPT_TABLES, show_spinner="Resampling patients …")
def _round_found(
    _evaluation: Evaluation,
    _reviews: Mapping[str, ScanReview],
    root: str,
    run: str,
    created_at: str,
    said: tuple[str, ...],
    *,
    blind: bool,
) -> tuple[ReaderAgreement, list[Acceptance], list[Headline]]:
    known = _evaluation.summary["scans"]
    reviews = {scan: review for scan, review in _reviews.items() if scan in known}
    patients = {scan: str(facts["patient"]) for scan, facts in known.items()}
    table = scans(_evaluation)
    return reader_agreement(reviews, patients, blind=blind), acceptance(table, reviews), disputed_headline(table, reviews)
