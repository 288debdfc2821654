"""Every cache of the dashboard, each bounded; keys hold the file's time, so that a new evaluation is seen at once.

What `st.cache_resource` keeps is shared by all sessions, and not to be changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.charts.scores import with_worst_slice
from core.data.images import Window
from core.data.index import UNLABELLED, load_index
from core.data.scan import Scan
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
from core.runs.registry import Evaluation, list_runs, open_run
from core.storage.workspace import is_name
from dashboard.state import EVALUATIONS, workspace

CHART_COLUMNS = [
    "patient", "scan", "day", "slice", "position", "organ", "dice", "reference_voxels", "prediction_voxels", "both_voxels",
    "confidence",
]  # fmt: skip
"""What the charts need of the slices; a large evaluation has a million rows."""
MAX_TABLES = 4


def _of_evaluation(evaluation: Evaluation) -> str:
    return f"{evaluation.paths.root}/{evaluation.run}/{evaluation.summary['created_at']}"


def _of_dataset(root: Path) -> str:
    return f"{root}/{stamp_of(root)}"


def _of_survey(root: Path) -> str:
    slices = SurveyPaths(root).slices
    return f"{root}/{slices.stat().st_mtime_ns if slices.exists() else 0}"


def _of_reviews(reviews: Mapping[str, ScanReview]) -> str:
    return "/".join(sorted(event.hash for review in reviews.values() for event in review.standing.values()))


KEYS: dict[str | type[Any], Callable[[Any], Any]] = {Evaluation: _of_evaluation}


def read_evaluations() -> tuple[Evaluation, ...]:
    """Every evaluation of the workspace as the files are now, those of the newest run first; `evaluations` keeps them."""
    now = tuple(evaluation for run in list_runs(workspace()) for evaluation in _evaluations_of(run.paths.root))
    st.session_state[EVALUATIONS] = now
    return now


def evaluations() -> tuple[Evaluation, ...]:
    """The evaluations as they were when the page's run began, see `core.runs.registry.Evaluation.without_facts`."""
    return st.session_state.get(EVALUATIONS) or read_evaluations()


def _of_run(root: Path) -> str:
    files = sorted((root / "evaluations").glob("[!.]*/evaluation.json"))
    return "/".join([str(root), *(f"{path.parent.name}:{path.stat().st_mtime_ns}" for path in files)])


@st.cache_resource(max_entries=200, show_spinner=False, hash_funcs={type(Path()): _of_run})
def _evaluations_of(root: Path) -> tuple[Evaluation, ...]:
    return tuple(evaluation.without_facts() for evaluation in open_run(root).evaluations())


def damaged_evaluations() -> list[str]:
    """``RUN/EVALUATION`` of those in the workspace that cannot be read."""
    return [f"{run.name}/{name}" for run in list_runs(workspace()) for name in _damaged_of(run.paths.root)]


@st.cache_resource(max_entries=200, show_spinner=False, hash_funcs={type(Path()): _of_run})
def _damaged_of(root: Path) -> list[str]:
    return open_run(root).damaged_evaluations()


@st.cache_data(max_entries=50, show_spinner=False, hash_funcs=KEYS)
def scans(evaluation: Evaluation) -> pd.DataFrame:
    """The scan table of an evaluation. Raises: see `core.runs.registry.Evaluation.scans`."""
    return evaluation.scans()


@st.cache_resource(max_entries=MAX_TABLES, show_spinner=False, hash_funcs=KEYS)
def slices(evaluation: Evaluation) -> pd.DataFrame:
    """The columns `CHART_COLUMNS` of an evaluation's slice table, names as categories: shared.

    Raises: see `core.runs.registry.Evaluation.slices`.
    """
    return evaluation.slices(CHART_COLUMNS).astype(dict.fromkeys(("patient", "scan", "organ"), "category"))


@st.cache_resource(max_entries=MAX_TABLES, show_spinner=False, hash_funcs=KEYS)
def errors(evaluation: Evaluation) -> pd.DataFrame:
    """The error regions of an evaluation: shared. Raises: see `core.runs.registry.Evaluation.errors`."""
    return evaluation.errors()


@st.cache_resource(max_entries=MAX_TABLES, show_spinner=False, hash_funcs=KEYS)
def scans_to_look_at(evaluation: Evaluation) -> pd.DataFrame:
    """The scan table with each organ's worst slice: shared.

    Raises: see `core.runs.registry.Evaluation.scans` and `core.runs.registry.Evaluation.slices`.
    """
    return with_worst_slice(scans(evaluation), slices(evaluation))


def largest_slice(evaluation: Evaluation, scan: str, organ: str) -> tuple[int, int]:
    """Number and position of the slice of a scan with most of an organ, in reference and prediction together."""
    table = slices(evaluation)
    mine = table[(table["scan"] == scan) & (table["organ"] == organ)]
    row = mine.iloc[int((mine["reference_voxels"] + mine["prediction_voxels"]).to_numpy().argmax())]
    return int(row["slice"]), int(row["position"])


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs=KEYS)
def day_pictures(evaluation: Evaluation, scan: str, position: int) -> tuple[Rgb, Rgb]:
    """A slice with reference and with prediction. Raises: see `core.imaging.thumbnails.day_pictures`."""
    return thumbnails.day_pictures(evaluation, scan, position)


@st.cache_resource(max_entries=MAX_TABLES, show_spinner="Comparing scan by scan …", hash_funcs=KEYS)
def comparison(a: Evaluation, b: Evaluation) -> Comparison:
    """Two evaluations compared: shared. Raises: see `core.evaluation.compare.compare`."""
    return compare(a, b)


def changes_to_look_at(a: Evaluation, b: Evaluation) -> pd.DataFrame:
    """`core.evaluation.compare.Comparison.changes` with the worst slice in B of the organ that changed most."""
    worst = scans_to_look_at(b)[["scan", "organ", "slice"]]
    return comparison(a, b).changes.merge(worst, on=["scan", "organ"], how="left")


@st.cache_resource(max_entries=MAX_TABLES, show_spinner=False, hash_funcs={type(Path()): _of_survey})
def survey(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the survey of a data set saw: shared. Raises: see `core.data.survey.read_survey`."""
    return read_survey(root)


@st.cache_data(max_entries=MAX_TABLES, show_spinner="Looking for suspicious references …", hash_funcs=KEYS)
def suspicious(evaluation: Evaluation) -> pd.DataFrame:
    """Scans where a confident model disagrees with the reference, see `core.evaluation.disputes.scan_candidates`."""
    # Without the regions: to look each of them up takes minutes where there are many scans.
    candidates = scan_candidates(slices(evaluation).astype({"scan": "str", "patient": "str", "organ": "str"}))
    return candidates[candidates["candidates"] > 0]


@st.cache_data(max_entries=500, show_spinner=False, hash_funcs={type(Path()): _of_dataset})
def slice_picture(root: Path, split: str, scan: str, name: str, side: int = thumbnails.SIDE) -> Rgb:
    """A slice of a data set with its reference, under its scan's window. Raises: see `core.imaging.thumbnails`.

    The first slice of a scan decodes the whole scan for its window, so that a page of 24 slices of 24 scans decodes all 24.
    """
    return thumbnails.slice_picture(root, split, name, _window(root, split, scan), side=side)


@st.cache_resource(max_entries=1000, show_spinner=False, hash_funcs={type(Path()): _of_dataset})
def _window(root: Path, split: str, scan: str) -> Window:
    return thumbnails.window_of(root, split, scan)


def unlabelled_datasets() -> dict[str, Path]:
    """The folders of the workspace's data sets that have scans without a reference, by name."""
    folders = sorted(workspace().datasets.glob(f"[!.]*/{UNLABELLED}/images"))
    return {folder.parents[1].name: folder.parents[1] for folder in folders if is_name(folder.parents[1].name)}


@st.cache_resource(max_entries=20, show_spinner=False, hash_funcs={type(Path()): _of_dataset})
def unlabelled_scans(root: Path) -> tuple[Scan, ...]:
    """A data set's scans without a reference: shared. Raises: see `core.data.index.load_index`."""
    return load_index(root).splits.get(UNLABELLED, ())


@st.cache_resource(max_entries=50, show_spinner=False, hash_funcs=KEYS)
def partial_scans(evaluation: Evaluation) -> frozenset[str]:
    """See `core.runs.registry.Evaluation.partial_scans`."""
    return frozenset(evaluation.partial_scans)


@st.cache_resource(max_entries=50, show_spinner=False, hash_funcs=KEYS)
def crosswise_scans(evaluation: Evaluation) -> frozenset[str]:
    """See `core.runs.registry.Evaluation.crosswise_scans`."""
    return frozenset(evaluation.crosswise_scans)


def store() -> ReviewStore:
    """The review store of the workspace. Raises: see `core.reviews.store.shared.shared_store`."""
    return shared_store(workspace().reviews_db)


def meter() -> ActivityMeter:
    """What measures the readers' active time. Raises: see `core.reviews.store.shared.shared_store`."""
    return _meter(workspace().reviews_db)


@st.cache_resource(max_entries=4, show_spinner=False, on_release=ActivityMeter.close)
def _meter(database: Path) -> ActivityMeter:
    return ActivityMeter(shared_store(database))


@st.cache_resource(max_entries=2 * MAX_TABLES, show_spinner=False, hash_funcs=KEYS)
def scan_table(evaluation: Evaluation, disputed: Mapping[str, str], other: Evaluation | None = None) -> ScanTable:
    """What the worklist filters and sorts by: shared.

    Args:
        disputed: scans whose reference is disputed, with the reason.
        other: the evaluation against which a change is measured.

    Raises: see `core.reviews.queue.scan_table.read_scan_table`.
    """
    whole = _scan_table(evaluation)
    table = replace(whole, scans=whole.scans.assign(disputed=whole.scans["scan"].isin(list(disputed))))
    return table.with_change(table.dice_change(_scan_table(other))) if other else table


@st.cache_resource(max_entries=MAX_TABLES, show_spinner="Reading the scores …", hash_funcs=KEYS)
def _scan_table(evaluation: Evaluation) -> ScanTable:
    manifest = open_run(evaluation.paths.root.parents[1]).manifest() or {}
    try:
        trained_on = manifest["splits"]["train"]["patients"]
    except (KeyError, TypeError):
        trained_on = None
    return read_scan_table(evaluation, trained_on=trained_on)


@st.cache_data(max_entries=MAX_TABLES, show_spinner="Resampling patients …", hash_funcs=KEYS | {dict: _of_reviews})
def round_results(
    evaluation: Evaluation, reviews: dict[str, ScanReview], *, blind: bool
) -> tuple[ReaderAgreement, list[Acceptance], list[Headline]]:
    """How far the readers agree, which scores they accept, and the headline without disputed references.

    Raises: see `core.runs.registry.Evaluation.scans`.
    """
    known, table = evaluation.facts, scans(evaluation)
    reviews = {scan: review for scan, review in reviews.items() if scan in known}
    patients = {scan: str(facts["patient"]) for scan, facts in known.items()}
    return reader_agreement(reviews, patients, blind=blind), acceptance(table, reviews), disputed_headline(table, reviews)
