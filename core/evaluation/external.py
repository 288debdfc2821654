"""Scoring label maps of any tool: the scores, tables and masks of an evaluation, and a data set to show them on."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cli.progress import ReportProgress, silent
from core.config import ScoringConfig
from core.data.grid import Spacing
from core.data.identity import listed, natural_key
from core.data.images import encode_png
from core.data.index import SPLITS, DatasetIndex, load_index
from core.data.leakage import leak_badge
from core.data.manifest import FILE_NAME, DatasetManifest, ScanInfo, hash_files, read_manifest
from core.data.masks import write_label_volume
from core.data.readers.label_files import PATTERN, LabelScan, LabelSource, LabelTable
from core.data.readers.label_pairs import VOLUME, find_pairs
from core.data.readers.label_png import PngSource
from core.data.readers.label_rows import read_table
from core.data.readers.label_volumes import VolumeSource
from core.errors import ConfigError, WorkspaceError
from core.evaluation.score_set import ScoreSet
from core.runs.registry import Evaluation, RunStatus, write_status
from core.storage.files import new_folder, write_json
from core.storage.workspace import EvaluationPaths, RunPaths, Workspace, check_name

SOURCE = "label maps from other tools"
"""First words of the source of data sets that are made here; only such a data set is ever replaced."""
SPLIT = "valid"
UNKNOWN = leak_badge(None, ())
AS_THEY_ARE = LabelTable()
NOT_TRAINED = "Label maps of another tool, scored by: evaluate masks. Nothing was trained here."
NO_IMAGES = "No images were given, so these are scores only: Cases and Metrics show them, Review has nothing to draw on."


@dataclass(frozen=True)
class MaskFolders:
    """Label maps to score."""

    truth: Path
    prediction: Path
    images: Path | None = None
    truth_table: LabelTable = AS_THEY_ARE
    prediction_table: LabelTable = AS_THEY_ARE
    spacing_mm: Spacing | None = None
    """Distance of voxel centres (z, y, x) of PNG slices; volumes state their own."""
    pattern: str = PATTERN
    """How the names of PNG slices tell patient, scan and slice."""
    table: Path | None = None
    """A table that names the files, see `read_table`; folders are then not looked at."""

    @classmethod
    def of_table(cls, table: Path, labels: LabelTable, predicted: LabelTable, spacing_mm: Spacing | None) -> "MaskFolders":
        """The files that a table names."""
        return cls(table, table, truth_table=labels, prediction_table=predicted, spacing_mm=spacing_mm, table=table)


@dataclass(frozen=True)
class ReviewDataset:
    """The data set that an evaluation is shown on."""

    name: str
    root: Path
    split: str
    pattern: str
    synthetic: bool = False
    write: bool = False
    """Whether it is made here."""


def evaluate_masks(
    folders: MaskFolders,
    workspace: Workspace,
    name: str,
    *,
    scoring: ScoringConfig | None = None,
    progress: ReportProgress = silent,
) -> Evaluation:
    """Score label maps and write them as an evaluation of a run of that name, which has no model.

    Where ``truth`` is the ``masks`` folder of a split of a data set, the evaluation belongs to that data set. Otherwise, with
    images, a data set of that name is made in the workspace, so that Review can show every slice; without, there are scores
    and masks only. The leak badge is ``unknown``: nobody knows what the tool was trained on. One scan is in memory at a time.

    Raises:
        DatasetError: folders or files that do not pair up.
        MaskError, ImageError: a file that cannot be used, or volumes that do not lie in the same place.
        WorkspaceError: a training run or another data set has that name, or the disk refuses.
    """
    source, home = open_folders(folders, workspace, name)
    run = workspace.run(name)
    _check(run, home, source)
    paths = run.evaluation(f"{home.name}-{home.split}")
    scores, said = ScoreSet(leak=UNKNOWN.text, config=scoring or ScoringConfig()), _Said()
    with new_folder(paths.root, replace=True) as folder, _dataset(home, source) as dataset:
        for done, scan in enumerate(source.ids):
            progress(done, len(source.ids), scan)
            loaded = source.read(scan)
            scores.add(loaded.scan, image=loaded.image, reference=loaded.reference, prediction=loaded.prediction)
            said.add(loaded)
            write_label_volume(EvaluationPaths(folder).mask(scan), loaded.prediction)
            if dataset is not None:
                dataset.add(loaded)
        data = {"name": home.name, "root": str(home.root), "synthetic": home.synthetic}
        leak = leak_badge(None, {facts["patient"] for facts in scores.facts.values()})
        summary = scores.write(EvaluationPaths(folder), name, data, home.split, leak, _made_by(folders, source, said))
        progress(len(source.ids), len(source.ids), "written")
    write_status(run, RunStatus("finished", started_at=time.time(), message=NOT_TRAINED))
    return Evaluation(name, paths.root.name, paths, summary)


def open_folders(folders: MaskFolders, workspace: Workspace, name: str) -> tuple[LabelSource, ReviewDataset]:
    """Pair the files and decide which data set they belong to.

    Raises:
        ConfigError: a spacing for files that state their own.
        DatasetError: see `find_pairs`.
    """
    index = _dataset_of(folders)
    tables = folders.truth_table, folders.prediction_table
    if folders.table is not None:
        pairs = read_table(folders.table)
    else:
        images = folders.images if index is None else folders.truth.resolve().parent / "images"
        pairs = find_pairs(folders.truth, folders.prediction, images)
    if index is not None:
        split = folders.truth.resolve().parent.name
        manifest = index.manifest
        infos = {scan.id: scan.info for scan in index.scans(split)}
        ours = PngSource(pairs.files, *tables, spacing_mm=folders.spacing_mm, pattern=manifest.pattern, infos=infos)
        return ours, ReviewDataset(index.name, index.root.resolve(), split, manifest.pattern, manifest.synthetic)
    if pairs.kind == VOLUME and folders.spacing_mm is not None:
        raise ConfigError("Volumes state their own spacing", value=folders.spacing_mm, todo="leave --spacing_mm out")
    pattern = PATTERN if pairs.kind == VOLUME or folders.table else folders.pattern
    source: LabelSource = (
        VolumeSource(pairs.files, *tables, pairs.patients)
        if pairs.kind == VOLUME
        else PngSource(pairs.files, *tables, spacing_mm=folders.spacing_mm, pattern=pattern, patients=pairs.patients)
    )
    root = workspace.dataset(name) if source.has_images else folders.truth.resolve()
    return source, ReviewDataset(name, root, SPLIT, pattern, write=source.has_images)


def _dataset_of(folders: MaskFolders) -> DatasetIndex | None:
    """The data set whose masks the truth is; nothing where it is none, or where its labels are mapped."""
    split = folders.truth.resolve().parent
    ours = folders.truth.resolve().name == "masks" and split.name in SPLITS and (split / "images").is_dir()
    return load_index(split.parent) if ours and not folders.truth_table.stated and folders.images is None else None


def _check(paths: RunPaths, home: ReviewDataset, source: LabelSource) -> None:
    for scan in source.ids:
        check_name(scan, "scan")
    source.check()
    if paths.manifest.exists() or paths.model.exists() or paths.config.exists():
        raise WorkspaceError("A training run has this name", value=paths.root, todo="choose another --name")
    if home.write and home.root.exists() and not read_manifest(home.root).source.startswith(SOURCE):
        raise WorkspaceError("A data set has this name", value=home.root, todo="choose another --name")


class _Said:
    """What there is to say of the files."""

    def __init__(self) -> None:
        self.ignored: set[str] = set()
        self.notes: dict[str, list[str]] = defaultdict(list)
        """The scans to which each note belongs."""

    def add(self, loaded: LabelScan) -> None:
        self.ignored |= loaded.ignored
        for note in loaded.notes:
            self.notes[note].append(loaded.scan.id)


def _made_by(folders: MaskFolders, source: LabelSource, said: _Said) -> dict[str, Any]:
    left = sorted(said.ignored, key=natural_key)
    others = [f"{len(left)} other labels count as background: {', '.join(left)}"] if left else []
    notes = [note if len(scans) == len(source.ids) else f"{listed(scans)}: {note}" for note, scans in said.notes.items()]
    external = {
        "truth": str(folders.truth.resolve()),
        "prediction": str(folders.prediction.resolve()),
        "truth_labels": folders.truth_table.to_json(),
        "prediction_labels": folders.prediction_table.to_json(),
        "images": source.has_images,
        "notes": [*([] if source.has_images else [NO_IMAGES]), *others, *notes],
    }
    return {"inference": None, "weights_sha256": None, "external": external}


class _DatasetDraft:
    """The data set that Review shows: images and truth as slices of a validation split."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.infos: dict[str, ScanInfo] = {}

    def add(self, loaded: LabelScan) -> None:
        self.infos[loaded.scan.id] = loaded.scan.info
        for kind, volume in (("images", loaded.image), ("masks", loaded.reference)):
            place = self.folder / SPLIT / kind
            place.mkdir(parents=True, exist_ok=True)
            for each, plane in zip(loaded.scan.slices, [] if volume is None else volume, strict=True):
                (place / f"{each.name.stem}.png").write_bytes(encode_png(plane))


@contextmanager
def _dataset(home: ReviewDataset, source: LabelSource) -> Iterator[_DatasetDraft | None]:
    """Fill the data set beside the evaluation, where one is to be made."""
    with new_folder(home.root, replace=True) if home.write else nullcontext() as folder:
        draft = None if folder is None else _DatasetDraft(folder)
        yield draft
        if draft is not None:
            manifest = DatasetManifest(
                name=home.name,
                source=f"{SOURCE}, {len(source.ids)} scans",
                pattern=home.pattern,
                split="all scans in one split, for review",
                scans=draft.infos,
                files=hash_files(draft.folder),
            )
            write_json(draft.folder / FILE_NAME, manifest.to_json())
