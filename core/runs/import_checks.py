"""What of a run may be carried from one workspace to another: which files, how large, and what has to stand in each."""

import csv
import io
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow.parquet
from pyarrow.lib import ArrowException
from safetensors import SafetensorError, safe_open

from core.cli.settings_file import read_settings_file
from core.config import InputRecipe, TrainingConfig
from core.data.masks import read_label_volume
from core.errors import GutCheckError, WorkspaceError
from core.runs.evaluation_checks import check_columns, check_summary
from core.runs.settings import RunSettings
from core.runs.status import RunStatus, State, stored_status
from core.storage.files import is_text, read_json
from core.storage.workspace import RunPaths, check_name

ENDED: tuple[State, ...] = ("finished", "failed", "stopped")
MB, GB = 1_000_000, 1_000_000_000
MAX_LOG_BYTES = 200 * MB
MAX_DEPTH, MAX_TEXT = 12, 100_000
MAX_NUMBER = 1e18
"""Larger ones are no time, count or score, and cannot be calculated with."""
MAX_COLUMNS, MAX_ROWS = 500, 50_000_000
SETTINGS = {"data"} | {field.name for config in (TrainingConfig, InputRecipe) for field in fields(config)}
EXTERNAL_WEIGHTS = b"\x0a\x08location"
"""How a file of ONNX says that weights lie in another file: the key ``location`` of a ``StringStringEntryProto``."""
FAULTS = (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, csv.Error, SafetensorError, ArrowException)
"""What is raised where a file's content is of another kind than its name says."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


def check_status(path: Path) -> RunStatus:
    """A state that has ended: nothing that came from elsewhere waits, or is at work here."""
    status = stored_status(RunPaths(path.parent))
    if status.state not in ENDED:
        raise ValueError(f"the run is {status.state}")
    return status


def read_run_settings(path: Path) -> dict[str, Any]:
    """``config.yaml``: the settings that there are, each possible; those of other versions are left out."""
    content = {key: value for key, value in read_settings_file(path).items() if key in SETTINGS}
    _check_plain(content)
    if any(isinstance(value, dict) for value in content.values()) or not isinstance(content.get("data", ""), str):
        raise ValueError("a setting of another kind")
    RunSettings.of(content)
    return content


def _check_plain(content: object, depth: int = 0) -> None:
    """Text, numbers, lists and objects of a sensible depth; no NaN."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(content, dict):
        for key, value in content.items():
            if not is_text(key) or len(key) > MAX_TEXT:
                raise ValueError("a name is no text, or too long")
            _check_plain(value, depth + 1)
    elif isinstance(content, list):
        for value in content:
            _check_plain(value, depth + 1)
    elif isinstance(content, str):
        if not is_text(content) or len(content) > MAX_TEXT:
            raise ValueError("a text is too long, or none that can be written")
    elif not (content is None or (isinstance(content, int | float) and abs(content) <= MAX_NUMBER)):
        raise ValueError("neither text nor a number")


def _json(path: Path) -> dict[str, Any]:
    content = read_json(path)
    _check_plain(content)
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


def _manifest(path: Path) -> None:
    content = _json(path)
    if not isinstance(content.get("dataset", {}), dict) or not isinstance(content.get("dataset", {}).get("name", ""), str):
        raise ValueError("no data set")
    for split in content.get("splits", {}).values():
        names = [*split.get("patients", []), *split.get("scans", []), *split.get("files", {})]
        if not all(isinstance(name, str) for name in names) or not isinstance(split.get("unparsed", 0), int):
            raise ValueError("a patient, scan or file is no text")


def _evaluation(path: Path) -> None:
    content = _json(path)
    for kind, name in (("run", content["run"]), ("split", content["split"]), ("data set", content["dataset"]["name"])):
        check_name(name, kind)
    for scan in content["scans"]:
        check_name(scan, "scan")
    check_summary(content)


def _metrics(path: Path) -> None:
    rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    names = next(rows, [])
    if len(names) > MAX_COLUMNS or not all(re.fullmatch(r"[A-Za-z][\w-]{0,79}", name) for name in names):
        raise ValueError("an impossible column")
    for row in rows:
        if len(row) != len(names):
            raise ValueError("a row of another length")
        for cell in row:
            float(cell or 0)


def _table(path: Path) -> None:
    with pyarrow.parquet.ParquetFile(path) as file:
        found = file.metadata
        size = sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))
        if found.num_columns > MAX_COLUMNS or found.num_rows > MAX_ROWS or size > 2 * GB:
            raise ValueError("a table that is too large")
        check_columns(path.stem, file.schema_arrow)


def _weights(path: Path) -> None:
    with safe_open(path, "numpy") as file:  # checks names, kinds and places, and reads no weights
        if not list(file.keys()):
            raise ValueError("no weights")


def _onnx(path: Path) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(EXTERNAL_WEIGHTS) >= 0:
            raise ValueError("weights in another file")


def _anything(path: Path) -> None:
    """Shown as text only."""


@dataclass(frozen=True)
class Rule:
    """Files of one kind."""

    names: str
    """Regular expression for the path below the run's folder."""
    max_bytes: int
    check: Callable[[Path], Any]
    """Raises where the content is not as expected."""


NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,119}"
RULES = (
    Rule(r"status\.json", MB, check_status),
    Rule(r"about\.json", MB, _json),
    Rule(r"config\.yaml", MB, read_run_settings),
    Rule(r"manifest\.json", 200 * MB, _manifest),
    Rule(r"metrics\.csv", 50 * MB, _metrics),
    Rule(r"(train|output)\.log", MAX_LOG_BYTES, _anything),
    Rule(r"model/(preprocessor_)?config\.json", MB, _json),
    Rule(r"model/model\.safetensors", 5 * GB, _weights),
    Rule(r"model/model\.onnx", 5 * GB, _onnx),
    Rule(rf"evaluations/{NAME}/evaluation\.json", 200 * MB, _evaluation),
    Rule(rf"evaluations/{NAME}/summary\.json", 200 * MB, _json),
    Rule(rf"evaluations/{NAME}/(slices|scans|errors)\.parquet", GB, _table),
    Rule(rf"evaluations/{NAME}/masks/{NAME}\.npy\.zst", 100 * MB, read_label_volume),
)


def rule_for(name: str) -> Rule | None:
    """The rule for a file, by its path below the run's folder; nothing where it is not carried."""
    if any(_DEVICE.fullmatch(part) for part in name.split("/")):
        return None
    return next((rule for rule in RULES if re.fullmatch(rule.names, name)), None)


def check_file(name: str, path: Path) -> None:
    """Check a file that is to be carried.

    Raises:
        WorkspaceError: its content is not as expected; the sentence does not quote it.
    """
    rule = rule_for(name)
    try:
        if rule is None or path.stat().st_size > rule.max_bytes:
            raise ValueError("no file of a run, or too large")
        rule.check(path)
    except (GutCheckError, *FAULTS) as error:
        todo = "leave it out, or make it again"
        raise WorkspaceError("A file of the run is not as expected", value=name, todo=todo) from error
