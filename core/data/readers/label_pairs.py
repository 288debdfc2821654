"""Which truth, prediction and image belong together: files of one name in folders."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.data.identity import listed, natural_key
from core.data.readers.label_files import at_fault
from core.data.readers.label_volumes import Files, is_volume, stem_of_volume
from core.errors import DatasetError, MaskError

PNG, VOLUME = "PNG slices", "volumes"
LOSSY = (".jpg", ".jpeg", ".webp")
MASK, OVERLAY = "_mask", "_overlay"
"""How ``predict`` names what it draws of ``NAME.png``."""


@dataclass(frozen=True)
class Pairs:
    """Files that belong together, all of one kind."""

    kind: str
    files: Mapping[str, Files]
    """By scan where these are volumes, else by the slice's name."""
    patients: Mapping[str, str] = field(default_factory=dict)
    """By scan, where a table says."""


def find_files(folder: Path) -> tuple[str, dict[str, Path]]:
    """`PNG` or `VOLUME`, and the files of that kind by name without suffix (NFC), hidden ones left out.

    Raises:
        DatasetError: no folder, nothing in it, both kinds, or two files of one name.
        MaskError: pictures of a kind that changes labels.
    """
    if not folder.is_dir():
        raise DatasetError("The folder does not exist", value=folder, todo="check the path")
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    chosen = [path for path in paths if path.suffix.lower() == ".png" or is_volume(path)]
    kinds = {kind_of(path) for path in chosen}
    if len(kinds) != 1:
        if not kinds and any(path.suffix.lower() in LOSSY for path in paths):
            raise MaskError("The folder holds JPEG or WebP files, which change labels", value=folder, todo="export PNG files")
        what = "holds PNG slices and volumes" if kinds else "holds no PNG slices and no volumes"
        raise DatasetError(f"The folder {what}", value=folder, todo="give a folder with one kind of file, PNG, NIfTI or DICOM")
    files: dict[str, Path] = {}
    for path in chosen:
        stem = unicodedata.normalize("NFC", stem_of_file(path))
        if stem in files:
            raise DatasetError(f"Two files are named {stem}", value=folder, todo="remove one of them")
        files[stem] = path
    return kinds.pop(), files


def kind_of(path: Path) -> str:
    return PNG if path.suffix.lower() == ".png" else VOLUME


def stem_of_file(path: Path) -> str:
    return path.stem if kind_of(path) == PNG else stem_of_volume(path)


def find_pairs(truth: Path, prediction: Path, images: Path | None) -> Pairs:
    """Pair the files of folders by name; ``NAME_mask`` counts as ``NAME``, and nnU-Net's image ``NAME_0000`` too.

    Raises:
        DatasetError: see `find_files`; folders of two kinds; or files without a partner, all of which are named together.
    """
    folders = {"truth": truth, "prediction": prediction} | ({"image": images} if images else {})
    found: dict[str, dict[str, Path]] = {}
    kinds: dict[str, str] = {}
    for role, folder in folders.items():
        with at_fault(role.title()):
            kinds[role], files = find_files(folder)
        found[role] = _images(files) if role == "image" else _labels(files)
    for role, kind in kinds.items():
        if kind != kinds["truth"]:
            what = f"Truth and {role} are of two kinds, {kinds['truth']} and {kind}"
            raise DatasetError(what, value=f"{truth} and {folders[role]}", todo="convert one of them")
    names = found["truth"].keys()
    problems = [
        _lonely("truth", "prediction", names - found["prediction"].keys()),
        _lonely("prediction", "truth", found["prediction"].keys() - names),
        _lonely("truth", "image", names - found["image"].keys()) if images else "",
    ]
    if any(problems):
        value = f"{truth}: {'; '.join(filter(None, problems))}"
        raise DatasetError("Label maps do not pair up", value=value, todo="add or remove the files named")
    ordered = sorted(sorted(names), key=natural_key)
    pictures = found.get("image", {})
    return Pairs(kinds["truth"], {n: (found["truth"][n], found["prediction"][n], pictures.get(n)) for n in ordered})


def _labels(files: dict[str, Path]) -> dict[str, Path]:
    """The label maps of a folder, in which pictures and overlays of the same names may lie too."""
    masks = {stem.removesuffix(MASK): path for stem, path in files.items() if stem.endswith(MASK)}
    others = {stem: path for stem, path in files.items() if not stem.endswith(MASK)}
    return {stem: path for stem, path in others.items() if stem.removesuffix(OVERLAY) not in masks} | masks


def _images(files: dict[str, Path]) -> dict[str, Path]:
    drawn = {stem for stem in files for end in (MASK, OVERLAY) if stem.endswith(end) and stem.removesuffix(end) in files}
    return {stem.removesuffix("_0000"): path for stem, path in files.items() if stem not in drawn}


def _lonely(kind: str, other: str, stems: set[str]) -> str:
    return f"{len(stems)} {kind} without {other} ({listed(sorted(stems, key=natural_key))})" if stems else ""
