"""`prepare nnunet DIR`: nnU-Net's raw folder, ``dataset.json`` of either version beside imagesTr, labelsTr and imagesTs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.cli.progress import ReportProgress, silent
from core.data.identity import listed
from core.data.manifest import DatasetManifest
from core.data.prepare.nifti_folder import channel_files, match, nifti_files
from core.data.prepare.volumes import ScanFiles, VolumeOptions, prepare_volumes
from core.data.prepare.writer import Prepared
from core.errors import DatasetError, WorkspaceError
from core.storage.files import read_json

SPLITS_FILE = "splits_final.json"


@dataclass(frozen=True)
class NnunetFolder:
    """What ``dataset.json`` says that matters here."""

    name: str
    licence: str
    labels: Mapping[int, str]
    channels: Mapping[int, str]


def prepare_nnunet(
    source: Path,
    out: Path,
    options: VolumeOptions,
    *,
    channel: int = 0,
    fold: int | None = None,
    name: str | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Make the data set ``out``; imagesTs have no reference, whatever labelsTs holds.

    Labels get the class of that name (its name, title or TG-263 name) unless the options map them.

    Args:
        channel: which of several images of a scan.
        fold: divide as ``splits_final.json`` does in this fold; by default by patient.

    Raises:
        DatasetError: the folder is not as nnU-Net has it, or see `prepare_volumes`, also for what else it raises.
    """
    told = read_dataset(source)
    references = nifti_files(source / "labelsTr")
    images, notes = channel_files(nifti_files(source / "imagesTr"), references, channel=channel)
    scans = match(images, references, source)
    if (source / "imagesTs").is_dir():
        others, _ = channel_files(nifti_files(source / "imagesTs"), (), channel=channel)
        scans += match(others, {}, source)
    if told.channels.get(channel) and notes:
        notes = (notes[0].rstrip(".") + f", {told.channels[channel]}.",)
    manifest = DatasetManifest(name or out.resolve().name, f"nnU-Net {told.name}", told.licence, notes=notes)
    if fold is not None:
        manifest = replace(manifest, split=f"as fold {fold} of nnU-Net's {SPLITS_FILE}")
        options = replace(options, split=None, valid=read_fold(source, fold, scans))
    return prepare_volumes(scans, out, manifest, replace(options, label_names=told.labels), progress=progress)


def read_dataset(source: Path) -> NnunetFolder:
    """Read ``dataset.json``: version 2 maps names to labels, version 1 labels to names.

    Raises:
        DatasetError: it is missing or is not as expected, or the files are of another kind than NIfTI.
    """
    path = source / "dataset.json"
    todo = "give nnU-Net's raw folder, with dataset.json, imagesTr and labelsTr"
    try:
        content = read_json(path)
        ending = str(content.get("file_ending", ".nii.gz"))
        channels = content.get("channel_names") or content.get("modality") or {}
        told = NnunetFolder(
            name=str(content.get("name") or source.resolve().name),
            licence=str(content.get("licence") or content.get("license") or "unknown"),
            labels=_labels(content["labels"]),
            channels={int(number): str(title) for number, title in channels.items()},
        )
    except WorkspaceError as error:
        raise DatasetError("dataset.json is missing or cannot be read", value=path, todo=todo) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError("dataset.json is not as nnU-Net writes it", value=path, todo=todo) from error
    if ending.lower() not in (".nii", ".nii.gz"):
        raise DatasetError(f"The folder's files end in {ending[:20]}", value=path, todo="convert them to .nii.gz")
    return told


def _labels(stated: Mapping[str, Any]) -> dict[int, str]:
    """Name by label, without the background; regions, which are lists of labels, and what is to be ignored have none."""
    pairs = [(key, value) if str(key).isdecimal() else (value, key) for key, value in stated.items()]
    named = {int(label): str(name) for label, name in pairs if not isinstance(label, list)}
    return {label: name for label, name in named.items() if label > 0 and name != "ignore"}


def read_fold(source: Path, fold: int, scans: list[ScanFiles]) -> frozenset[str]:
    """The scans to validate on, by ``splits_final.json`` in the folder or where nnU-Net's preprocessing puts it.

    Raises:
        DatasetError: it is missing or not as expected, has no such fold, or does not divide the scans that have a reference.
    """
    beside = source.resolve().parent.parent / "nnUNet_preprocessed" / source.resolve().name / SPLITS_FILE
    path = next((path for path in (source / SPLITS_FILE, beside) if path.is_file()), source / SPLITS_FILE)
    try:
        folds = [(frozenset(map(str, each["train"])), frozenset(map(str, each["val"]))) for each in read_json(path)]
    except (WorkspaceError, KeyError, TypeError) as error:
        what = f"{SPLITS_FILE} is missing or cannot be read"
        raise DatasetError(what, value=path, todo="put it beside dataset.json, or leave out --fold") from error
    if not 0 <= fold < len(folds):
        raise DatasetError(f"{SPLITS_FILE} has no such fold", value=fold, todo=f"use 0 to {len(folds) - 1}")
    train, valid = folds[fold]
    astray = sorted((train & valid) | ((train | valid) ^ {scan.name for scan in scans if scan.reference is not None}))
    if astray:
        what = f"Fold {fold} of {SPLITS_FILE} does not name each scan of labelsTr once"
        raise DatasetError(what, value=listed(astray), todo="correct the file, or leave out --fold")
    return valid
