"""`prepare table FILE`: a table that says where each scan and its reference are."""

import os
from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.data.manifest import DatasetManifest
from core.data.prepare.tables import read_columns
from core.data.prepare.volumes import ScanFiles, VolumeOptions, prepare_volumes
from core.data.prepare.writer import Prepared
from core.errors import DatasetError

COLUMNS = ("scan", "image", "reference", "patient")


def prepare_table(
    table: Path, out: Path, options: VolumeOptions, *, name: str | None = None, progress: ReportProgress = silent
) -> Prepared:
    """Make the data set ``out`` of the scans in a table; a row without a reference has none. Other columns are left out.

    Paths count from the table's folder. An image is a NIfTI file, a DICOM file or folder, or a folder of PNG slices; a reference
    the same, as labels.

    Raises:
        DatasetError: the table or a path in it cannot be used, or see `prepare_volumes`, also for what else it raises.
    """
    scans, others = read_table(table)
    notes = (f"Columns of the table that are not used: {', '.join(others)}.",) if others else ()
    manifest = DatasetManifest(name or out.resolve().name, f"table {table.name}", notes=notes)
    return prepare_volumes(scans, out, manifest, options, progress=progress)


def read_table(table: Path) -> tuple[list[ScanFiles], list[str]]:
    """The scans of a table, whose files are there, and the names of its other columns.

    Raises:
        DatasetError: it cannot be read, lacks a column or a value, or names files that are not there.
    """
    rows = read_columns(table, ("scan", "image"), "The table of scans")
    scans = []
    for line, row in enumerate(rows.to_dict("records"), start=2):
        paths = {kind: _path(table, str(row[kind]), line) for kind in ("image", "reference") if row.get(kind)}
        scans.append(ScanFiles(str(row["scan"]), paths["image"], paths.get("reference"), str(row.get("patient", ""))))
    return scans, [str(column) for column in rows.columns if column not in COLUMNS]


def _path(table: Path, cell: str, line: int) -> Path:
    path = table.parent / cell
    if not os.path.exists(path):  # False for what no path can be, too
        todo = "correct the path, which counts from the table's folder"
        raise DatasetError(f"Line {line} of the table names a file that is not there", value=f"{table}: {cell}", todo=todo)
    return path.resolve()
