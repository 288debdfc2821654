"""Which truth, prediction and image belong together: the rows of a table."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from core.data.identity import parse_slice_name
from core.data.readers.label_files import PATTERN
from core.data.readers.label_pairs import MASK, VOLUME, Pairs, kind_of
from core.data.readers.label_volumes import Files
from core.errors import DatasetError

NEEDED, MORE = ("scan", "reference", "prediction"), ("image", "patient")


@dataclass(frozen=True)
class Row:
    """One row; its number counts the head as 1, as spreadsheets do."""

    number: int
    scan: str
    files: Files
    patient: str


def read_table(path: Path) -> Pairs:
    """Read a CSV with the columns scan, reference, prediction and, where wanted, image and patient; others are left alone.

    Paths are relative to the table. A row is a volume, or a PNG slice of a scan that has several rows: its number is that in
    the reference's name, or else its place among the scan's rows.

    Raises:
        DatasetError: no such table, a file that is missing, two kinds of file, rows that contradict each other.
    """
    rows = _rows(path)
    kinds = {kind_of(file) for row in rows for file in row.files if file}
    if len(kinds) > 1:
        raise DatasetError("The table names PNG slices and volumes", value=path, todo="make a table of one kind of file")
    if len({row.files[2] is None for row in rows}) > 1:
        raise DatasetError("Some rows of the table have no image", value=path, todo="give every scan an image, or none")
    patients: dict[str, str] = {}
    files: dict[str, Files] = {}
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.scan] = counts.get(row.scan, 0) + 1
        name = row.scan if VOLUME in kinds else f"{row.scan}_slice_{_slice(row.files[0], counts[row.scan]):04d}"
        if name in files or patients.setdefault(row.scan, row.patient) != row.patient:
            what = "states a scan's file again" if name in files else "states another patient than an earlier row of its scan"
            raise DatasetError(f"Row {row.number} of the table {what}", value=f"{path}, {name}", todo="correct the table")
        files[name] = row.files
    return Pairs(kinds.pop(), files, {scan: patient for scan, patient in patients.items() if patient})


def _slice(path: Path, place: int) -> int:
    name = parse_slice_name(path.stem, PATTERN)
    digits = re.search(r"\d{1,9}$", path.stem.removesuffix(MASK))
    return name.number if name.parsed else int(digits[0]) if digits else place


def _rows(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, strict=True) if any(cell.strip() for cell in line)]
    except FileNotFoundError as error:
        raise DatasetError("The table does not exist", value=path, todo="check the path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError("The table cannot be read", value=path, todo="give a CSV file in UTF-8") from error
    head = [name.strip().lower() for name in lines[0]] if lines else []
    missing = [name for name in NEEDED if name not in head]
    if missing or len(lines) < 2:
        what = f"The table has no column {', '.join(missing)}" if missing else "The table has no rows"
        raise DatasetError(what, value=path, todo=f"give a CSV file with the columns {', '.join(NEEDED)}")
    return [_row(path, number, dict(zip(head, line, strict=False))) for number, line in enumerate(lines[1:], 2)]


def _row(path: Path, number: int, cells: dict[str, str]) -> Row:
    values = {name: cells.get(name, "").strip() for name in (*NEEDED, *MORE)}
    empty = [name for name in NEEDED if not values[name]]
    if empty:
        raise DatasetError(f"Row {number} of the table has no {empty[0]}", value=path, todo="fill it in or remove the row")
    files = {name: (path.parent / values[name]).resolve() for name in ("reference", "prediction", "image") if values[name]}
    for name, file in files.items():
        if not file.is_file():
            what = f"The {name} in row {number} of the table does not exist"
            raise DatasetError(what, value=values[name], todo="write paths relative to the table")
    return Row(number, values["scan"], (files["reference"], files["prediction"], files.get("image")), values["patient"])
