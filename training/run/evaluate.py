"""Evaluating a run's model with a bar, and the scores as a table for people."""

from typing import TYPE_CHECKING, Any

from core.cli.progress import going_on, progress_bar
from core.cli.tables import text_table
from core.config import InferenceConfig, ScoringConfig
from core.data.index import DatasetIndex
from core.labels import ORGANS
from core.metrics.geometry import SHEARED
from core.metrics.surface import nsd_column
from core.runs.registry import Evaluation, Run

if TYPE_CHECKING:
    from core.evaluation.evaluate import PredictAhead

COLUMNS = ("organ", "Dice", "95% interval", "IoU", "HD95 mm", "NSD", "scans", "missed", "false alarms", "absent")


def evaluate_run(
    run: Run,
    index: DatasetIndex,
    split: str,
    config: InferenceConfig,
    scoring: ScoringConfig | None = None,
    *,
    ahead: "PredictAhead | None" = None,
) -> Evaluation:
    """Evaluate a run's model on a split, with a bar; see `core.evaluation.evaluate.evaluate` for ``ahead`` and what it raises."""
    index.check_names()
    scans = index.with_reference(split)

    from core.evaluation.evaluate import evaluate, scans_taken_over
    from core.model.predictor import Predictor

    predictor = Predictor.load(run.paths.model, config)
    title = going_on(f"Evaluating {split}", scans_taken_over(run, predictor, index, split), len(scans))
    with progress_bar(title) as progress:
        return evaluate(run, predictor, index, split, scoring=scoring, progress=progress, ahead=ahead)


def summary(done: Evaluation) -> dict[str, Any]:
    """``evaluation.json`` without the facts of each scan, and where it is."""
    content = {key: value for key, value in done.summary.items() if key != "scans"}
    return content | {"evaluation": str(done.paths.root)}


def table(done: Evaluation) -> str:
    """The scores for people, with their convention and the leak badge."""
    content = done.summary
    tolerance = max(content["tolerances_mm"])
    organs = {organ.title: content["organs"][organ.name] for organ in ORGANS} | {"All organs": content["all_organs"]}
    rows = [COLUMNS, *(_row(title, each, nsd_column(tolerance)) for title, each in organs.items())]
    data = content["dataset"]
    synthetic = ", synthetic" if data["synthetic"] else ""
    return "\n".join(
        [
            f"{content['run']} on {data['name']}, split {content['split']}: {done.extent}{synthetic}",
            "",
            text_table(rows, right=range(1, len(COLUMNS))),
            "",
            f"Leak: {done.badge.text}",
            "Means over scans, 3D; background left out; scans where neither has the organ are absent and left out.",
            f"All organs: {content['conventions']['all_organs']}.",
            f"NSD at {tolerance:g} mm. A missed organ or a false alarm scores 0; its distance is the diagonal of the scan.",
            *(f"{_missing(why)} for {len(names)} scans: {why}." for why, names in content["without_distances"].items()),
            f"Evaluation: {done.paths.root}",
        ]
    )


def _missing(why: str) -> str:
    return "No distances" if why == SHEARED else "No distances or volumes"


def _row(title: str, organ: dict[str, Any], nsd: str) -> tuple[str, ...]:
    counts = (str(organ[key]) for key in ("scans", "missed", "false_alarm", "absent"))
    dice = _score(organ["dice"]), _interval(organ["intervals"]["dice"])
    return (title, *dice, _score(organ["iou"]), _score(organ["hd95_mm"], 1), _score(organ[nsd]), *counts)


def _score(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _interval(interval: dict[str, Any] | None) -> str:
    return "–" if interval is None else f"{interval['low']:.3f}–{interval['high']:.3f}"
