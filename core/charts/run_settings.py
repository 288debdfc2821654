"""All runs side by side: their scores in one table, and the settings in which two of them differ."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
import yaml

from core.errors import WorkspaceError
from core.labels import ORGANS
from core.runs.registry import Evaluation, Run

NOT_STATED = "not stated"
OTHER_TOOL = "another tool"
SETTINGS = ("model", "epochs", "learning_rate", "batch_size", "image_size")
"""Settings that the table of runs shows; the comparison of two shows all that differ."""


def run_config(run: Run) -> dict[str, Any]:
    """The run's ``config.yaml``; empty where it has none.

    Raises:
        WorkspaceError: the file is no YAML of settings.
    """
    try:
        content = yaml.safe_load(run.paths.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorkspaceError("The settings cannot be read", value=run.paths.config, todo="restore the file") from error
    if not isinstance(content, dict):
        raise WorkspaceError("The settings are not as expected", value=run.paths.config, todo="restore the file")
    return content


def evaluation_settings(evaluation: Evaluation) -> dict[str, Any]:
    """How an evaluation was made: inference, conventions, versions, when and with which weights."""
    summary = evaluation.summary
    parts = {key: summary[key] for key in ("inference", "conventions", "tolerances_mm", "versions") if summary.get(key)}
    weights = {"weights": str(summary["weights_sha256"])[:12]} if summary.get("weights_sha256") else {}
    who = OTHER_TOOL if evaluation.is_external else "the run's model"
    return parts | {"evaluation": {"created_at": summary.get("created_at"), "drawn_by": who} | weights}


def not_trained_here(a: Evaluation, b: Evaluation) -> str:
    """Why two runs have no settings to compare, as a sentence; empty where both were trained here."""
    others = list(dict.fromkeys(each.run for each in (a, b) if each.is_external))
    if len(others) == 2:
        return f"Neither {others[0]} nor {others[1]} was trained here: no settings to compare."
    return f"{others[0]} was not trained here: no settings to compare." if others else ""


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Settings by their dotted name, as text; lists stay whole."""
    found: dict[str, str] = {}
    for key, value in content.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = str(value)
    return found


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> pd.DataFrame:
    """Only what differs: columns setting, a, b, in the order of ``a``, then what only ``b`` has."""
    of_a, of_b = flat(a), flat(b)
    names = [*of_a, *(name for name in of_b if name not in of_a)]
    rows = [(name, of_a.get(name, NOT_STATED), of_b.get(name, NOT_STATED)) for name in names]
    return pd.DataFrame([row for row in rows if row[1] != row[2]], columns=["setting", "a", "b"])


def evaluations_table(runs: Sequence[Run], evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """One row an evaluation: run, evaluation, when, leak, Dice and HD95 over all organs, Dice per organ, misses, settings."""
    configs: dict[str, dict[str, Any]] = {}
    for run in runs:
        with suppress(WorkspaceError):
            configs[run.name] = run_config(run)
    rows = []
    for each in evaluations:
        organs, every, config = each.summary["organs"], each.summary["all_organs"], configs.get(each.run, {})
        scores = {f"dice_{organ.name}": organs[organ.name]["dice"] for organ in ORGANS}
        rows.append(
            {
                "run": each.run,
                "evaluation": each.name,
                "created_at": pd.to_datetime(str(each.summary.get("created_at")), errors="coerce", utc=True),
                "leak": each.badge.text,
                "scans": each.summary.get("scan_count"),
                "dice": every["dice"],
                **scores,
                "hd95_mm": every.get("hd95_mm"),
                "missed": every["missed"],
                "false_alarms": every["false_alarm"],
                **{name: None if config.get(name) is None else str(config[name]) for name in SETTINGS},
            }
        )
    return pd.DataFrame(rows)
