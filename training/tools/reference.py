"""``python -m training.reference``: write the tables of options in README.md anew from the parsers of the commands."""

import re
from argparse import SUPPRESS, Action
from pathlib import Path

from core.cli.options import Parser
from training.commands import (
    compare,
    estimate,
    evaluate,
    evaluate_masks,
    export_run,
    import_run,
    predict,
    prepare,
    show,
    submit,
)
from training.run import arguments

README = Path(__file__).parents[1] / "README.md"


def parsers() -> dict[str, Parser]:
    """Every command that has options, by the name of its table."""
    sources = {f"prepare {source}": prepare.parser(source) for source in prepare.SOURCES}
    return sources | {
        "estimate": estimate.parser(),
        "fit": arguments.parser(),
        "evaluate": evaluate.parser(),
        "evaluate masks": evaluate_masks.parser(),
        "compare": compare.parser(),
        "predict": predict.parser(),
        "show": show.parser(),
        "export": export_run.parser(),
        "import": import_run.parser(),
        "submit": submit.parser(),
    }


def table(parser: Parser) -> str:
    """A row an option: how it is written, its default, what it does."""
    rows = [_row(action) for action in parser._actions if action.dest not in ("help", "config")]
    return "\n".join(["| Option | Default | |", "| --- | --- | --- |", *rows])


def _row(action: Action) -> str:
    name = f"`--{action.dest}`" if action.option_strings else f"`{action.dest.upper()}`"
    explained = re.sub(r"\s+", " ", str(action.help).replace("|", "\\|"))
    return f"| {name} | {_default(action)} | {explained} |"


def _default(action: Action) -> str:
    if action.required or not action.option_strings:
        return "required"
    if action.dest == "workers":
        return "one a core; 0 on Windows"
    if action.default in (None, "", SUPPRESS):
        return ""
    shown = str(list(action.default) if isinstance(action.default, tuple) else action.default)
    return f"`{shown.lower() if isinstance(action.default, bool) else shown}`".replace("|", "\\|")


def with_tables(text: str) -> str:
    """The text with each table between its marks made anew."""
    for name, parser in parsers().items():
        marks = rf"(<!-- options of {name} -->\n).*?(<!-- end -->)"
        made = table(parser)
        text = re.sub(marks, lambda found, made=made: f"{found[1]}{made}\n{found[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def main() -> None:
    """Write README.md with its tables made anew."""
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
