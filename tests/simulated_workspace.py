"""A workspace of simulated evaluations in the shapes of the real set: score tables without a single picture.

Scans per patient, slices per scan, where organs begin and end along z, and how large they are follow the public set's figures
and 22 real scans (``uwm-rle-22-case-days.csv``); scores, errors and confidences are drawn, seeded, so that the counts of a scan
agree with each other in all three tables and in ``evaluation.json``.
"""

import hashlib
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from core.data.manifest import DatasetManifest, ScanInfo
from core.data.survey import HASH_COLUMNS, SurveyPaths, SurveyState, stamp_of
from core.evaluation.score_set import CONVENTIONS
from core.labels import CLASSES, ORGAN_NAMES
from core.metrics.regions import regions_frame
from core.metrics.tables import over_all_organs, summarise
from core.runs.registry import Evaluation, RunStatus, open_run, write_status
from core.storage.files import write_json, write_whole
from core.storage.workspace import EvaluationPaths, Workspace

DATASET = "simulated"
SPACING_MM = (3.0, 1.5, 1.5)
VOXEL_ML = 3.0 * 1.5 * 1.5 / 1000
DEPTHS = (144, 144, 144, 80)
EXTENT = {"stomach": (0.35, 0.58), "small_bowel": (0.50, 0.815), "large_bowel": (0.41, 0.815)}
"""Mean first and last slice, as a share of the scan; heads come first."""
VOLUME_ML = {"stomach": 370.0, "small_bowel": 610.0, "large_bowel": 660.0}
SKILL = {"stomach": 0.10, "small_bowel": 0.16, "large_bowel": 0.13}
"""Mean share of an organ that is missed, and about as much is drawn too much."""
KINDS = {"missing": ("boundary", "missed_part", "ends_early"), "extra": ("boundary", "extra_part", "ends_late", "extra_island")}
WHOLE = {("missing", "missed"): ("missed_organ",), ("extra", "false_alarm"): ("extra_organ",)}
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedScan:
    """What is the same for every run: who it is, and the reference's voxels per organ and slice."""

    patient: str
    day: int
    depth: int
    reference: dict[str, Counts]

    @property
    def name(self) -> str:
        return f"{self.patient}_day{self.day}"


@dataclass
class Tables:
    """Rows of the three tables, as they are drawn."""

    slices: list[pd.DataFrame] = field(default_factory=list)
    scans: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    confusion: Counts = field(default_factory=lambda: np.zeros((len(CLASSES), len(CLASSES)), np.int64))


def simulated_scans(count: int, seed: int = 7) -> list[SimulatedScan]:
    """Scans of as many patients as the public set would have, by patient and day."""
    random = np.random.default_rng(seed)
    scans: list[SimulatedScan] = []
    patient = 0
    while len(scans) < count:
        patient += 1
        habitus = {organ: random.lognormal(0, 0.3) for organ in ORGAN_NAMES}
        days = np.sort(random.choice(40, size=min(int(random.integers(1, 6)), count - len(scans)), replace=False))
        depth = int(random.choice(DEPTHS))
        scans += [SimulatedScan(f"case{patient}", int(day), depth, _reference(random, depth, habitus)) for day in days]
    return scans


def _reference(random: np.random.Generator, depth: int, habitus: dict[str, float]) -> dict[str, Counts]:
    found = {}
    for organ in ORGAN_NAMES:
        low, high = (np.array(EXTENT[organ]) + random.normal(0, 0.03, 2)).clip(0.05, 0.95) * depth
        along = (np.arange(depth) - low) / max(high - low, 8)
        shape = np.where((along > 0) & (along < 1), np.sin(np.pi * along.clip(0, 1)) ** 0.7, 0)
        # A full or an empty stomach on another day; one in thirty has no such organ in its slices.
        volume = VOLUME_ML[organ] * habitus[organ] * random.lognormal(0, 0.25) * (random.random() > 1 / 30)
        found[organ] = np.rint(shape / max(shape.sum(), 1) * volume / VOXEL_ML).astype(np.int64)
    return found


def simulated_evaluation(
    workspace: Workspace, run: str, scans: list[SimulatedScan], *, seed: int = 1, skill: float = 1.0, leaked: bool = False
) -> Evaluation:
    """Write a run and its evaluation of ``scans``.

    Args:
        skill: factor of every error; smaller is better.
    """
    random = np.random.default_rng(seed)
    patients = sorted({scan.patient for scan in scans})
    leak = f"leaked ({len(patients)} of {len(patients)} patients)" if leaked else "patient-clean"
    tables = Tables()
    for scan in scans:
        _predict(random, scan, skill, leak, tables)
    table = pd.DataFrame(tables.scans).astype({"day": "Int64"})
    organs = summarise(table)
    paths = workspace.run(run).evaluation(f"{DATASET}-valid")
    paths.root.mkdir(parents=True)
    pd.concat(tables.slices, ignore_index=True).astype({"day": "Int64"}).to_parquet(paths.slices, index=False)
    table.to_parquet(paths.scans, index=False)
    regions_frame(tables.errors).to_parquet(paths.errors, index=False)
    summary = {
        "format": "gutcheck-evaluation/1",
        "run": run,
        "dataset": {"name": DATASET, "root": str(workspace.dataset(DATASET)), "synthetic": True},
        "split": "valid",
        "created_at": f"2026-11-{1 + seed % 28:02d}T08:00:00+00:00",
        "scan_count": len(scans),
        "patient_count": len(patients),
        "slice_count": sum(scan.depth for scan in scans),
        "inference": {"engine": "simulated", "flips": False, "context_stride": 0},
        "weights_sha256": f"{seed:064x}",
        "versions": {"python": "3.11"},
        "leak": _leak(leaked, len(patients), leak),
        "organs": organs,
        "all_organs": over_all_organs(table),
        "confusion": {
            "classes": [each.name for each in CLASSES],
            "rows": "reference",
            "columns": "prediction",
            "pixels": tables.confusion.tolist(),
        },
        "competition": None,
        "without_distances": {},
        "tolerances_mm": [1.5, 3.0],
        "conventions": CONVENTIONS,
        "scans": {scan.name: _facts(scan) for scan in scans},
    }
    write_json(paths.summary, summary)
    _write_run(workspace, run, seed=seed, skill=skill, trained_on=patients if leaked else ["case0"])
    return open_run(workspace.run(run).root).evaluation(paths.root.name)


def _leak(leaked: bool, patients: int, text: str) -> dict[str, Any]:
    return {
        "kind": "leaked" if leaked else "patient-clean",
        "leaked": patients if leaked else 0,
        "patients": patients,
        "text": text,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _facts(scan: SimulatedScan) -> dict[str, Any]:
    return {
        "patient": scan.patient,
        "slice_numbers": list(range(1, scan.depth + 1)),
        "size": [266, 266],
        "spacing_mm": list(SPACING_MM),
        "native_size": None,
        **{f"{kind}_sha256": _hash(f"{kind} of {scan.name}") for kind in ("image", "reference", "prediction")},
    }


def _write_run(workspace: Workspace, run: str, *, seed: int, skill: float, trained_on: list[str]) -> None:
    paths = workspace.run(run)
    started = 1_793_000_000.0 + 86_400 * seed
    write_status(paths, RunStatus("finished", started_at=started, epoch=8, epochs=8, step=800))
    splits = {"train": {"patients": trained_on}}
    write_json(paths.manifest, {"dataset": {"name": DATASET}, "seed": seed, "git": None, "splits": splits})
    config = {"model": "b0", "epochs": 8, "learning_rate": round(3e-4 * skill, 6), "seed": seed, "image_size": 288}
    write_whole(paths.config, yaml.safe_dump(config, sort_keys=False).encode())


def _predict(random: np.random.Generator, scan: SimulatedScan, skill: float, leak: str, tables: Tables) -> None:
    """Draw what a network might make of a scan: what it misses, swaps and adds, slice by slice."""
    missed: dict[str, Counts] = {}
    swapped: dict[tuple[str, str], Counts] = {}
    extra: dict[str, Counts] = {}
    trouble = random.lognormal(0, 0.5)
    for organ in ORGAN_NAMES:
        reference = scan.reference[organ]
        rate = min(SKILL[organ] * skill * trouble * random.lognormal(0, 0.35), 0.95)
        lost = random.random() < 0.02
        thin = 1 + 1.5 * (reference < 0.35 * max(int(reference.max()), 1))
        share = np.ones(scan.depth) if lost else (rate * thin * random.lognormal(0, 0.2, scan.depth)).clip(0, 1)
        missed[organ] = np.rint(reference * share).astype(np.int64)
        other = ORGAN_NAMES[(ORGAN_NAMES.index(organ) + int(random.integers(1, 3))) % 3]
        part = 0.0 if lost else random.beta(1, 6)
        swapped[organ, other] = np.rint(missed[organ] * part).astype(np.int64)
        more = reference * rate * random.lognormal(0, 0.3, scan.depth)
        alarm = not reference.any() and random.random() < 0.4
        where = scan.depth // 2 + np.arange(5)
        if alarm:
            more[where] = 60
        extra[organ] = np.zeros(scan.depth, np.int64) if lost else np.rint(more).astype(np.int64)
    for (_, other), counts in swapped.items():
        if not scan.reference[other].any() or (missed[other] == scan.reference[other]).all():
            counts[:] = 0  # nothing of that organ is drawn anywhere
    _record(random, scan, missed, swapped, extra, leak, tables)


def _record(
    random: np.random.Generator,
    scan: SimulatedScan,
    missed: dict[str, Counts],
    swapped: dict[tuple[str, str], Counts],
    extra: dict[str, Counts],
    leak: str,
    tables: Tables,
) -> None:
    identity = {"patient": scan.patient, "scan": scan.name, "day": scan.day}
    ids = {name: 1 + place for place, name in enumerate(ORGAN_NAMES)}
    for organ in ORGAN_NAMES:
        reference, both = scan.reference[organ], scan.reference[organ] - missed[organ]
        gained = sum((counts for (_, other), counts in swapped.items() if other == organ), np.zeros(scan.depth, np.int64))
        prediction = both + extra[organ] + gained
        sure = np.where(prediction > 0, (0.97 - 0.5 * missed[organ] / np.maximum(reference, 1)).clip(0.4, 0.99), np.nan)
        tables.slices.append(_slices(identity, scan, organ, reference, prediction, both, sure, leak))
        total = int(reference.sum()), int(prediction.sum()), int(both.sum())
        tables.scans.append(_scan_row(random, identity | {"slices": scan.depth}, organ, total, leak))
        other, exchanged = next((o, counts) for (own, o), counts in swapped.items() if own == organ)
        outcome = str(_outcomes(total[0], total[1]))
        tables.errors += _regions(random, identity, organ, "", "missing", missed[organ] - exchanged, outcome)
        tables.errors += _regions(random, identity, organ, other, "exchanged", exchanged)
        tables.errors += _regions(random, identity, organ, "", "extra", extra[organ], outcome)
        tables.confusion[ids[organ], ids[organ]] += total[2]
        tables.confusion[ids[organ], 0] += int((missed[organ] - exchanged).sum())
        tables.confusion[0, ids[organ]] += int(extra[organ].sum())
        tables.confusion[ids[organ], ids[other]] += int(exchanged.sum())


def _ratios(reference: Any, prediction: Any, both: Any) -> dict[str, NDArray[np.float64]]:
    reference, prediction, both = (np.asarray(each, np.float64) for each in (reference, prediction, both))
    total = reference + prediction
    absent = total == 0

    def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(absent, np.nan, part / np.maximum(whole, 1))

    return {
        "dice": share(2 * both, total),
        "iou": share(both, total - both),
        "precision": share(both, prediction),
        "recall": share(both, reference),
    }


def _outcomes(reference: Any, prediction: Any) -> NDArray[np.str_]:
    has, drawn = np.asarray(reference) > 0, np.asarray(prediction) > 0
    return np.select([has & drawn, has, drawn], ["scored", "missed", "false_alarm"], "absent")


def _slices(
    identity: dict[str, Any],
    scan: SimulatedScan,
    organ: str,
    reference: Counts,
    prediction: Counts,
    both: Counts,
    sure: NDArray[np.float64],
    leak: str,
) -> pd.DataFrame:
    positions = np.arange(scan.depth)
    names = [f"{scan.name}_slice_{position + 1:04d}" for position in positions]
    place = {"slice": positions + 1, "position": positions, "name": names, "organ": organ}
    counts = {"reference_voxels": reference, "prediction_voxels": prediction, "both_voxels": both}
    scores = {"outcome": _outcomes(reference, prediction), **_ratios(reference, prediction, both)}
    return pd.DataFrame(identity | place | scores | counts | {"confidence": sure, "leak": leak})


def _scan_row(
    random: np.random.Generator, identity: dict[str, Any], organ: str, counts: tuple[int, int, int], leak: str
) -> dict[str, Any]:
    reference, prediction, both = counts
    outcome = str(_outcomes(reference, prediction))
    scores = {name: float(value) for name, value in _ratios(reference, prediction, both).items()}
    absent, lost = outcome == "absent", outcome in ("missed", "false_alarm")
    distance = np.nan if absent else 560.0 if lost else 3 + 90 * (1 - scores["dice"]) ** 1.5 * random.lognormal(0, 0.4)
    near = np.nan if absent else 0.0 if lost else scores["dice"]
    error = (prediction - reference) * VOXEL_ML
    return identity | {
        "organ": organ, "outcome": outcome, **scores,
        "reference_voxels": reference, "prediction_voxels": prediction, "both_voxels": both,
        "hd95_mm": distance, "nsd_1_5mm": near * 0.85, "nsd_3mm": near, "mean_surface_distance_mm": distance / 4,
        "reference_ml": reference * VOXEL_ML, "prediction_ml": prediction * VOXEL_ML,
        "volume_error_ml": np.nan if absent else error,
        "volume_error_percent": 100 * (prediction - reference) / reference if reference else np.nan, "leak": leak,
    }  # fmt: skip


def _regions(
    random: np.random.Generator,
    identity: dict[str, Any],
    organ: str,
    other: str,
    side: str,
    counts: Counts,
    outcome: str = "scored",
) -> list[dict[str, Any]]:
    """The voxels of one side cut into a few regions, each on the slice where most of them lie."""
    total = int(counts.sum())
    if not total:
        return []
    kinds = WHOLE.get((side, outcome)) or KINDS.get(side, ("swapped",))
    shares = random.dirichlet(np.array([4.0, *[1.0] * (len(kinds) - 1)]))
    voxels = np.floor(shares * total).astype(np.int64)
    voxels[0] += total - int(voxels.sum())
    slices = 1 + np.flatnonzero(counts)
    peak = 1 + int(counts.argmax())
    return [
        identity
        | {"organ": organ, "kind": kind, "other": other, "side": side}
        | {"end": "foot" if kind.startswith("ends") else "", "voxels": int(size), "volume_ml": int(size) * VOXEL_ML}
        | {"first_slice": int(slices[0]), "last_slice": int(slices[-1]), "slice": peak, "position": peak - 1, "x": 133, "y": 120}
        for kind, size in zip(kinds, voxels, strict=True)
        if size
    ]


def simulated_workspace(root: Path, *, scans: int, runs: int = 2) -> list[Evaluation]:
    """Runs of which each is a little better than the one before, and a data set without pictures that disputes one scan."""
    workspace = Workspace(root)
    drawn = simulated_scans(scans)
    folder = workspace.dataset(DATASET)
    info = {scan.name: ScanInfo(SPACING_MM, None, place % 3) for place, scan in enumerate(drawn)}
    write_json(folder / "dataset.json", DatasetManifest(DATASET, synthetic=True, scans=info).to_json())
    write_whole(folder / "disputed.txt", f"{drawn[-1].name} outlined on the wrong day\n".encode())
    _survey(folder, drawn)
    names = [f"sim-{number}" for number in range(1, runs + 1)]
    return [
        simulated_evaluation(workspace, name, drawn, seed=number, skill=1.2 - 0.15 * number)
        for number, name in enumerate(names, start=1)
    ]


def _survey(root: Path, scans: list[SimulatedScan]) -> None:
    """What a survey of the pictures would have seen: every third scan is in training, and so are most patients; one is copied."""
    random = np.random.default_rng(3)
    tables = []
    for place, scan in enumerate(scans):
        split = "train" if place % 3 == 1 else "valid"
        numbers = np.arange(1, scan.depth + 1)
        who = {"split": split, "patient": scan.patient, "scan": scan.name, "day": scan.day, "slice": numbers}
        names = [f"{scan.name}_slice_{number:04d}" for number in numbers]
        size = {"name": names, "height": 266, "width": 266, "bits": 16, "problem": ""}
        hashes = dict(zip(HASH_COLUMNS, random.integers(0, 2**63, (4, scan.depth), np.uint64), strict=True))
        tables.append(pd.DataFrame(who | size | scan.reference | hashes))
    table = pd.concat(tables, ignore_index=True).astype({"day": "Int64"})
    paths = SurveyPaths(root)
    paths.folder.mkdir()
    table.to_parquet(paths.slices, index=False)
    last = int(np.flatnonzero(table["split"] == "train")[-1])
    copies = pd.DataFrame({"first": [0, 1], "second": [last - 1, last], "bits": [0, 3]})
    copies.to_parquet(paths.alike, index=False)
    write_json(paths.state, asdict(SurveyState("ready", len(table), len(table), stamp=stamp_of(root))))


def moved(source: Path, target: Path) -> Path:
    """A copy of a simulated workspace whose evaluations know their data set at its new place."""
    shutil.copytree(source, target)
    for path in target.glob("runs/*/evaluations/*/evaluation.json"):
        path.write_text(path.read_text().replace(str(source), str(target)))
    return target


def evaluation_paths(root: Path, run: str = "sim-1") -> EvaluationPaths:
    """Where an evaluation of a simulated workspace lies."""
    return Workspace(root).run(run).evaluation(f"{DATASET}-valid")
