"""``prepare dicom``: the list of a folder's series, and the choice among them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import Parser
from core.cli.progress import ReportProgress, progress_bar
from core.cli.tables import text_table
from core.config import SplitConfig
from core.data.prepare.writer import Prepared
from core.errors import ConfigError
from training.commands.shared import print_json

if TYPE_CHECKING:
    from core.data.prepare.dicom import FoundSeries
    from core.data.prepare.dicom_list import ListedSeries

HEADS = ("Scan", "Date", "", "Sequence", "Slices", "Size", "mm", "Axes", "Masks", "UID")


def add_options(made: Parser) -> None:
    """What only this source understands."""
    made.add_argument("--list", action="store_true", help="print the series, and make nothing but the key")
    made.add_argument("--series", type=str, default="", help="UIDs or scans of the list, comma-separated, or all")
    made.add_argument("--map", type=str, default="", help="which structure is which organ, such as 'GTV bowel=small_bowel'")
    made.add_argument("--key", type=str, default="", help="file that tells whose the scans are; by default beside the workspace")
    made.add_argument("--new_uids", action="store_true", help="keep other identifiers than the files'; the key holds both")


def list_series(options: dict[str, Any]) -> None:
    """Print the series of a folder; see `core.data.prepare.dicom.list_dicom` for what it raises."""
    with progress_bar("Reading headers") as progress:
        found = _found(options, progress)
    if options["json"]:
        print_json({"key": str(found.key), "series": [line.to_json() for line in found.lines], "notes": list(found.notes)})
        return
    print(text_table([HEADS, *(_row(line) for line in found.lines)], right=(4,)))
    for line in found.lines:
        if line.problem is not None:
            print(f"{line.scan} cannot be prepared. {line.problem}")
    for note in (*found.notes, f"Key: {found.key}"):
        print(note)


def _row(line: "ListedSeries") -> list[str]:
    height, width = line.size
    spacing = "×".join(f"{step:.3g}" for step in line.grid.spacing_mm) if line.grid.spacing_mm else "?"
    facts = [line.scan, line.date or "?", line.series.modality, line.sequence, str(line.slices), f"{height}×{width}", spacing]
    return [*facts, line.grid.orientation or "?", str(len(line.masks) or ""), line.series.uid]


def make(options: dict[str, Any], split: SplitConfig, progress: ReportProgress) -> Prepared:
    """Make the data set; see `core.data.prepare.dicom` for what it raises."""
    from core.data.prepare.dicom import prepare_dicom
    from core.data.readers.label_files import LabelTable

    if not options["out"]:
        raise ConfigError("Something is missing: --out", todo="name the new data set's folder, or look with --list")
    table = LabelTable.parse(options["map"])
    return prepare_dicom(
        _found(options, progress),
        Path(options["out"]),
        split=split,
        chosen=options["series"],
        table=table,
        new_uids=options["new_uids"],
        name=options["name"],
        progress=progress,
    )


def _found(options: dict[str, Any], progress: ReportProgress) -> "FoundSeries":
    from core.data.prepare.dicom import list_dicom

    out, key = (Path(options[name]) if options[name] else None for name in ("out", "key"))
    return list_dicom(Path(options["source"]), out=out, key=key, progress=progress)
