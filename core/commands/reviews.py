"""``python -m core.reviews export``, ``report``, ``agreement`` and ``carry-over``: what a lead takes out of a round."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.cli.options import Parser, words_of
from core.config import SplitConfig
from core.errors import ConfigError
from core.reviews.round.export import TABLE_FORMATS, round_tables, write_tables
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, find_run
from core.storage.files import new_folder, write_whole
from core.storage.workspace import Workspace

FORMATS = (*TABLE_FORMATS, "masks", "rle")
DATASET, RUN_LENGTHS = "dataset", "masks.csv"


def _parser(command: str, about: str) -> Parser:
    made = Parser(f"python -m core.reviews {command}", about)
    made.add_argument("--workspace", type=str, default=None, help="folder; default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_argument("--run", type=str, required=True, help="the run that was reviewed, by name")
    made.add_argument("--evaluation", type=str, required=True, help="its evaluation, such as phantoms-valid")
    return made


@contextmanager
def _opened(options: dict[str, Any]) -> Iterator[tuple[Workspace, Evaluation, ReviewStore]]:
    workspace = Workspace.locate(options["workspace"])
    evaluation = find_run(workspace, options["run"]).evaluation(options["evaluation"])
    store = ReviewStore.open(workspace.reviews_db)
    try:
        yield workspace, evaluation, store
    finally:
        store.close()


def export(argv: Sequence[str]) -> None:
    """Write a round's tables and masks into a new folder; see `core.reviews.round.export` and `core.reviews.round.corrected`.

    Raises:
        ConfigError: an unknown format. WorkspaceError, ReviewError, DatasetError, MaskError: something cannot be read or written.
    """
    made = _parser("export", "Write what readers said and drew into a new folder.")
    made.add_argument("--out", type=str, required=True, help="the new folder")
    made.add_argument("--format", type=str, default="csv,json,parquet", help=f"any of {','.join(FORMATS)}")
    made.add_argument(
        "--reader", type=str, default=None, help="masks: take this reader's corrections; default: the latest of all"
    )
    made.add_argument("--accepted", action="store_true", help="masks: take predictions too that every reader accepted")
    made.add_argument("--hold_out", type=str, default="", help="masks: validate on these patients and train on all others")
    made.add_argument("--name", type=str, default=None, help="masks: the data set's name; default: the source's and -corrected")
    options = made.read(argv)
    formats = words_of(options["format"].replace(" ", ","))
    unknown = [each for each in formats if each not in FORMATS]
    if unknown or not formats:
        value = ", ".join(unknown) or None
        raise ConfigError("This is no format to export to", value=value, todo=f"use any of {','.join(FORMATS)}")
    out = Path(options["out"])
    with _opened(options) as (workspace, evaluation, store), new_folder(out) as folder:
        history = store.history(run=evaluation.run, evaluation=evaluation.name)
        write_tables(round_tables(evaluation, history), folder, [each for each in TABLE_FORMATS if each in formats])
        if {"masks", "rle"} & set(formats):
            _export_masks(workspace, evaluation, store, folder, formats, options)
    print(f"Exported to {out.resolve()}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def _export_masks(
    workspace: Workspace,
    evaluation: Evaluation,
    store: ReviewStore,
    folder: Path,
    formats: Sequence[str],
    options: dict[str, Any],
) -> None:
    from core.reviews.round.corrected import final_masks, run_length_csv, write_corrected_dataset

    reviews = store.reviews(run=evaluation.run, evaluation=evaluation.name)
    masks = final_masks(evaluation, reviews, reader=options["reader"], accepted=options["accepted"])
    held_out = words_of(options["hold_out"])
    if "masks" in formats:
        split = SplitConfig(valid_patients=held_out) if held_out else None
        write_corrected_dataset(workspace, evaluation, masks, folder / DATASET, name=options["name"], split=split)
    if "rle" in formats:
        write_whole(folder / RUN_LENGTHS, run_length_csv(workspace, evaluation, masks))


def report(argv: Sequence[str]) -> None:
    """Write an HTML report of a round, or with ``--scan`` of one scan; see `core.reports`.

    Raises:
        WorkspaceError, ReviewError, DatasetError, MaskError: something cannot be read or written.
    """
    from core.reports.round_report import PICTURES, round_report
    from core.reports.scan_report import scan_report

    made = _parser("report", "Write one HTML file about a round or a scan, with pictures, that needs no network.")
    made.add_argument("--out", type=str, required=True, help="the HTML file; one that is there is replaced")
    made.add_argument("--scan", type=str, default=None, help="report this scan; default: the whole round")
    made.add_argument("--pictures", type=int, default=PICTURES, help="scans of a round to show as pictures, the worst first")
    options = made.read(argv)
    if options["pictures"] < 0:
        raise ConfigError("--pictures is negative", value=options["pictures"], todo="use 0 or more")
    out = Path(options["out"])
    with _opened(options) as (workspace, evaluation, store):
        reviews = store.reviews(run=evaluation.run, evaluation=evaluation.name)
        if options["scan"]:
            from core.reviews.store.state import ScanReview

            page = scan_report(workspace, evaluation, options["scan"], reviews.get(options["scan"], ScanReview()))
        else:
            settings = store.round(run=evaluation.run, evaluation=evaluation.name)
            blind = bool(settings and settings.blind)
            page = round_report(workspace, evaluation, reviews, blind=blind, pictures=options["pictures"])
    write_whole(out, page.encode("utf-8"))
    print(f"Report: {out.resolve()}")


def agreement(argv: Sequence[str]) -> None:
    """Print how far the readers agree, as JSON; see `core.reviews.round.agreement`.

    Raises:
        WorkspaceError, ReviewError: something cannot be read.
    """
    from core.reviews.round.agreement import reader_agreement as found

    options = _parser("agreement", "Print the readers' agreement on one evaluation as one JSON object.").read(argv)
    with _opened(options) as (_, evaluation, store):
        patients = {scan: str(known["patient"]) for scan, known in evaluation.facts.items()}
        reviews = {s: r for s, r in store.reviews(run=evaluation.run, evaluation=evaluation.name).items() if s in patients}
        settings = store.round(run=evaluation.run, evaluation=evaluation.name)
        done = found(reviews, patients, blind=bool(settings and settings.blind))
    content = asdict(done) | {"disagreements": json.loads(done.disagreements.to_json(orient="records"))}
    print(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False))


def carry_over(argv: Sequence[str]) -> None:
    """Carry verdicts over to a newer evaluation of the same scans; see `core.reviews.round.carry_over`.

    Raises:
        WorkspaceError, ReviewError, MaskError: something cannot be read or written.
    """
    from core.reviews.round.carry_over import LEAST_DICE, carry_over, plan_carry_over

    made = _parser("carry-over", "Let verdicts hold for a newer run where its masks are the same or nearly so.")
    made.add_argument("--to_run", type=str, required=True, help="the newer run")
    made.add_argument("--to_evaluation", type=str, default=None, help="its evaluation; default: the same name")
    made.add_argument(
        "--least_dice", type=float, default=LEAST_DICE, help="between both masks, for each organ; 1: identical only"
    )
    made.add_argument("--by", type=str, required=True, help="who carries them over, for the record")
    made.add_argument("--dry_run", action="store_true", help="only say what would be done")
    options = made.read(argv)
    with _opened(options) as (workspace, old, store):
        new = find_run(workspace, options["to_run"]).evaluation(options["to_evaluation"] or old.name)
        present = (store.reviews(run=each.run, evaluation=each.name) for each in (old, new))
        plan = plan_carry_over(old, new, *present, least_dice=options["least_dice"])
        if not options["dry_run"]:
            carry_over(store, plan, by=options["by"])
    verb = "would carry over" if options["dry_run"] else "carried over"
    print(f"{len(plan.carried)} verdicts {verb} from {plan.old} to {plan.new}; {plan.scans} scans need no second look.")
    print(f"{len(plan.queued)} scans to review" + (", worst change first:" if len(plan.queued) else "."))
    for row in plan.queued.itertuples():
        print(f"  {row.scan}: {row.reason}")
    sys.stdout.flush()
