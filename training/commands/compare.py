"""``compare``: two runs on the same scans, organ by organ, and the scans that changed most."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.cli.options import Parser
from core.cli.tables import text_table
from core.errors import ConfigError, WorkspaceError
from core.labels import TITLES
from core.runs.registry import Evaluation, Run, find_run
from core.storage.workspace import Workspace
from training.commands.shared import print_json

if TYPE_CHECKING:
    from core.evaluation.compare import Comparison, Difference

COLUMNS = ("score", "organ", "A", "B", "B - A", "95% interval", "scans", "p, scans", "p, patients")
CHANGE = ("scan", "A", "B", "B - A", "most in", "by")
OUTCOME = ("patient", "scan", "organ", "A", "B")


def parser() -> Parser:
    """The options of ``compare``."""
    made = Parser("python -m training compare", "Compare two runs on the scans that both were evaluated on, paired by scan.")
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--run", required=True, type=str, help="A: a run's name in the workspace, or its folder")
    made.add_argument("--run_b", required=True, type=str, help="B: the run to compare with it")
    made.add_argument("--evaluation", type=str | None, default=None, help="which evaluation, such as phantoms-valid")
    made.add_argument("--evaluation_b", type=str | None, default=None, help="B's, where it has another name")
    made.add_argument("--count", type=int, default=5, help="scans to list that got worse, and that got better")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command; see `core.evaluation.compare.compare` for what it raises."""
    options = parser().read(argv)
    if options["count"] < 0:
        raise ConfigError("--count is negative", value=options["count"], todo="use 0 or more")
    workspace = Workspace.locate(options["workspace"])
    a, b = find_run(workspace, options["run"]), find_run(workspace, options["run_b"])
    left, right = choose(a, b, options["evaluation"], options["evaluation_b"])

    from core.evaluation.compare import compare

    done = compare(left, right)
    if options["json"]:
        print_json(done.to_json(options["count"]))
    else:
        print(table(done, options["count"]))


def choose(a: Run, b: Run, name_a: str | None, name_b: str | None) -> tuple[Evaluation, Evaluation]:
    """The two evaluations: those named, else the one that both have, else the only one of each.

    Raises:
        WorkspaceError: a run has none, or it is not clear which is meant.
    """
    if name_a or name_b:
        return a.evaluation(name_a or str(name_b)), b.evaluation(name_b or str(name_a))
    found_a, found_b = ({each.name: each for each in run.evaluations()} for run in (a, b))
    for run, found in ((a, found_a), (b, found_b)):
        if not found:
            raise WorkspaceError("The run has no evaluation", value=run.name, todo="run: python -m training evaluate")
    shared = sorted(found_a.keys() & found_b.keys())
    if len(shared) == 1:
        return found_a[shared[0]], found_b[shared[0]]
    if not shared and len(found_a) == len(found_b) == 1:
        return next(iter(found_a.values())), next(iter(found_b.values()))
    names = f"{', '.join(sorted(found_a))} and {', '.join(sorted(found_b))}"
    todo = "choose with --evaluation, and --evaluation-b where B's has another name"
    raise WorkspaceError("The runs have several evaluations", value=names, todo=todo)


def table(done: "Comparison", count: int) -> str:
    """The comparison for people, with the conventions and both leak badges."""
    left_out = ", ".join(f"{number} {reason}" for reason, number in done.left_out.items())
    worse, better = done.most_changed(count)
    outcomes = done.outcomes.assign(organ=done.outcomes["organ"].map(TITLES))
    blocks = [
        f"A: {done.a}, leak: {done.leak_a}\nB: {done.b}, leak: {done.leak_b}",
        f"{done.scans} scans of {done.patients} patients, paired by scan" + (f"; left out: {left_out}" if left_out else ""),
        text_table([COLUMNS, *(_row(each) for each in done.differences)]),
        f"Interval: bootstrap over patients, {done.resamples} resamples, seed {done.seed}. p: Wilcoxon's signed-rank test,\n"
        "two-sided, zeros dropped, of the scans' differences and of the patients' mean differences (– where fewer than 6).",
        _changed("Worse in B", worse),
        _changed("Better in B", better),
        "Changed outcome\n" + text_table([OUTCOME, *outcomes.astype(str).itertuples(index=False, name=None)])
        if len(outcomes)
        else "",
    ]
    return "\n\n".join(block for block in blocks if block)


def _row(each: "Difference") -> tuple[str, ...]:
    interval = "–" if each.low is None or each.high is None else f"{each.low:+.3f} to {each.high:+.3f}"
    values = (_number(each.a), _number(each.b), _number(each.difference, "+.3f"), interval, str(each.scans))
    return (each.score, TITLES[each.organ], *values, _number(each.over_scans.p, ".3g"), _number(each.over_patients.p, ".3g"))


def _number(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None or pd.isna(value) else format(value, form)


def _changed(title: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    lines = [_change(row) for row in rows.to_dict("records")]
    return f"{title} (mean Dice of the organs)\n" + text_table([CHANGE, *lines])


def _change(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    scores = (f"{row['dice_a']:.3f}", f"{row['dice_b']:.3f}", f"{row['difference']:+.3f}")
    return (row["scan"], *scores, TITLES[row["organ"]], _number(row["organ_difference"], "+.3f"))
