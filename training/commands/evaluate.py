"""``evaluate``: score a run on a split of a data set."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core.cli.options import Parser, pick
from core.config import ClusterConfig, InferenceConfig, ScoringConfig
from core.data.index import DatasetIndex, load_index
from core.errors import ModelError
from core.labels import ORGANS
from core.metrics.surface import nsd_column
from core.runs.registry import Run, find_run
from core.storage.workspace import Workspace
from training.commands.shared import check_home, find_dataset, going_on, print_json, progress_bar

if TYPE_CHECKING:
    from core.evaluation.evaluate import PredictAhead
    from core.runs.registry import Evaluation

COLUMNS = ("organ", "Dice", "95% interval", "IoU", "HD95 mm", "NSD", "scans", "missed", "false alarms", "absent")


def parser() -> Parser:
    """The options of ``evaluate``."""
    made = Parser("python -m training evaluate", "Predict a split with a run's model and score it, per scan and in 3D.")
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--run", required=True, type=str, help="a run's name in the workspace, or its folder")
    made.add_argument("--data", required=True, type=str, help="a data set's folder, or its name in the workspace")
    made.add_argument("--split", type=str, default="valid", help="train or valid")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    made.add_class_arguments(InferenceConfig, skip={"opacity"})
    made.add_class_arguments(ScoringConfig)
    return made


def main(argv: Sequence[str], *, cluster: ClusterConfig | None = None) -> None:
    """Run the command; see `evaluate_run` for ``cluster`` and `core.evaluation.evaluate.evaluate` for what it raises."""
    options = parser().read(argv)
    config, scoring = pick(InferenceConfig, options), pick(ScoringConfig, options)
    workspace = Workspace.locate(options["workspace"])
    run = find_run(workspace, options["run"])
    if not run.has_model:
        raise ModelError("The run has no model", value=run.paths.root, todo="let it finish an epoch, or choose another run")
    check_home(run, workspace, stated=options["workspace"] is not None)
    index = load_index(find_dataset(workspace, options["data"]))
    done = evaluate_run(run, index, options["split"], config, scoring, cluster=cluster)
    if options["json"]:
        print_json(summary(done))
    else:
        print(table(done))


def evaluate_run(
    run: Run,
    index: DatasetIndex,
    split: str,
    config: InferenceConfig,
    scoring: ScoringConfig | None = None,
    *,
    cluster: ClusterConfig | None = None,
) -> "Evaluation":
    """Evaluate a run's model on a split, with a bar; see `core.evaluation.evaluate.evaluate` for what it raises.

    Args:
        cluster: the Ray cluster, reached from this process, whose workers predict; scores are found here.
    """
    scans = index.scans(split)

    from core.evaluation.evaluate import evaluate, predict_nothing_ahead, scans_taken_over
    from core.model.predictor import Predictor

    ahead: PredictAhead = predict_nothing_ahead
    if cluster is not None:
        from training.cluster.predict import predict_on

        config = replace(config, threads=config.threads or cluster.cpus_per_worker)
        model = run.paths.model
        ahead = partial(predict_on, data=index.root, split=split, model=model, config=config, cluster=cluster)
    predictor = Predictor.load(run.paths.model, config)
    title = going_on(f"Evaluating {split}", scans_taken_over(run, predictor, index, split), len(scans))
    with progress_bar(title) as progress:
        return evaluate(run, predictor, index, split, scoring=scoring, progress=progress, ahead=ahead)


def summary(done: "Evaluation") -> dict[str, Any]:
    """``evaluation.json`` without the facts of each scan, and where it is."""
    content = {key: value for key, value in done.summary.items() if key != "scans"}
    return content | {"evaluation": str(done.paths.root)}


def table(done: "Evaluation") -> str:
    """The scores for people, with their convention and the leak badge."""
    content = done.summary
    tolerance = max(content["tolerances_mm"])
    organs = {organ.title: content["organs"][organ.name] for organ in ORGANS} | {"All organs": content["all_organs"]}
    rows = [COLUMNS, *(_row(title, each, nsd_column(tolerance)) for title, each in organs.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        " ".join([row[0].ljust(widths[0]), *(cell.rjust(w + 1) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    data = content["dataset"]
    synthetic = ", synthetic" if data["synthetic"] else ""
    scans = f"{content['scan_count']} scans of {content['patient_count']} patients"
    return "\n".join(
        [
            f"{content['run']} on {data['name']}, split {content['split']}: {scans}{synthetic}",
            "",
            *(line.rstrip() for line in lines),
            "",
            f"Leak: {done.badge.text}",
            "Means over scans, 3D; background left out; scans where neither has the organ are absent and left out.",
            f"All organs: {content['conventions']['all_organs']}.",
            f"NSD at {tolerance:g} mm. A missed organ or a false alarm scores 0; its distance is the diagonal of the scan.",
            *_without_distances(content["without_distances"]),
            f"Evaluation: {done.paths.root}",
        ]
    )


def _row(title: str, organ: dict[str, Any], nsd: str) -> tuple[str, ...]:
    counts = (str(organ[key]) for key in ("scans", "missed", "false_alarm", "absent"))
    dice = _score(organ["dice"]), _interval(organ["intervals"]["dice"])
    return (title, *dice, _score(organ["iou"]), _score(organ["hd95_mm"], 1), _score(organ[nsd]), *counts)


def _score(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _interval(interval: dict[str, Any] | None) -> str:
    return "–" if interval is None else f"{interval['low']:.3f}–{interval['high']:.3f}"


def _without_distances(scans: dict[str, list[str]]) -> list[str]:
    return [f"No distances or volumes for {len(names)} scans: {reason}." for reason, names in scans.items()]
