"""The index of a data set: patients, scans and slices, with images and masks paired by name."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from core.data.identity import MAX_NAMED, SliceName, clean_name, is_clean, listed, natural_key, parse_slice_name
from core.data.manifest import DatasetManifest, read_manifest
from core.data.scan import Scan, SliceFile
from core.errors import DatasetError

SPLITS = ("train", "valid")
UNLABELLED = "unlabelled"
"""The split of scans without a reference; its folder has images only."""


@dataclass(frozen=True)
class DatasetIndex:
    """What is in a data set."""

    root: Path
    manifest: DatasetManifest
    splits: dict[str, tuple[Scan, ...]]

    @property
    def name(self) -> str:
        return self.manifest.name

    def scans(self, split: str) -> tuple[Scan, ...]:
        """The scans of a split, by patient, day and id.

        Raises:
            DatasetError: there is no such split, or it is empty.
        """
        scans = self.splits.get(split, ())
        if not scans:
            if split in SPLITS and not any(self.splits.get(name) for name in SPLITS):
                todo = "train and score on one with masks; this one can be predicted"
                raise DatasetError("The data set has no references", value=self.root, todo=todo)
            have = ", ".join(name for name, found in self.splits.items() if found) or "none"
            raise DatasetError(f"The data set has no slices in split '{split}'", value=self.root, todo=f"use one of: {have}")
        return scans

    def with_reference(self, split: str) -> tuple[Scan, ...]:
        """The scans of a split that can be scored.

        Raises:
            DatasetError: there is no such split, it is empty, or its scans have no reference.
        """
        if split == UNLABELLED and self.splits.get(split):
            todo = "use --split train or valid; python -m training predict outlines these"
            raise DatasetError("The split has no references to score against", value=split, todo=todo)
        return self.scans(split)

    def partial_scans(self, split: str | None = None) -> tuple[Scan, ...]:
        """Scans of one slice or with gaps, which have no volume and no distances; of all splits by default."""
        splits = self.splits if split is None else (split,)
        return tuple(scan for name in splits for scan in self.splits.get(name, ()) if scan.is_partial)

    def check_names(self) -> None:
        """Check that results can be kept under the names of the data set and its scans, before anything rests on it.

        Raises:
            DatasetError: they cannot.
        """
        if not is_clean(self.name):
            todo = "correct the name in dataset.json" if self.manifest.stated else "rename the folder"
            todo += f", such as to {clean_name(self.name)}"
            raise DatasetError("The data set's name cannot be a file's on every system", value=self.name[:130], todo=todo)
        unclean = [scan.id[:130] for scans in self.splits.values() for scan in scans if not is_clean(scan.id)]
        if unclean:
            what = f"Names of {len(unclean)} scans cannot be a file's on every system"
            todo = "prepare the data set again, which gives them others (letters, digits, _ . + -, at most 100)"
            raise DatasetError(what, value=listed(unclean), todo=todo)

    def scan(self, split: str, scan_id: str) -> Scan:
        """One scan of a split.

        Raises:
            DatasetError: it is not there.
        """
        for scan in self.scans(split):
            if scan.id == scan_id:
                return scan
        raise DatasetError(f"Split '{split}' of {self.name} has no such scan", value=scan_id, todo="choose one of its scans")

    def patients(self, split: str) -> frozenset[str]:
        """The patients of a split; empty where the split has no slices."""
        return frozenset(scan.patient for scan in self.splits.get(split, ()))

    def unparsed(self, split: str) -> int:
        """Slices of the split whose names tell no patient."""
        return sum(not each.name.parsed for scan in self.splits.get(split, ()) for each in scan.slices)

    def file_hashes(self, split: str) -> dict[str, str]:
        """SHA-256 by path of the split's files, as the manifest states them."""
        return {path: digest for path, digest in self.manifest.files.items() if path.startswith(f"{split}/")}


def load_index(root: Path) -> DatasetIndex:
    """Index the data set in ``root``: ``train`` and ``valid``, each with ``images`` and ``masks``, and ``unlabelled`` images.

    Raises:
        DatasetError: not a data set, empty, or an image without its mask (or a mask without its image), which are named.
    """
    if not root.is_dir():
        raise DatasetError("The data set's folder does not exist", value=root, todo="check the path, or run: prepare")
    index = index_folder(root, read_manifest(root))
    if not any(index.splits.values()):
        todo = "give a folder with train/images, train/masks, valid/images and valid/masks, or run: prepare"
        raise DatasetError("The folder holds no data set", value=root, todo=todo)
    return index


def index_folder(root: Path, manifest: DatasetManifest) -> DatasetIndex:
    """What lies in ``root``, under a manifest that need not lie there yet. Raises: see `load_index`."""
    splits = {split: _index_split(root / split, manifest) for split in (*SPLITS, UNLABELLED) if (root / split).is_dir()}
    return DatasetIndex(root, manifest, splits)


def _index_split(folder: Path, manifest: DatasetManifest) -> tuple[Scan, ...]:
    pairs: Iterable[tuple[str, Path, Path | None]]
    if folder.name == UNLABELLED:
        pairs = ((stem, image, None) for stem, image in sorted(png_files(folder / "images").items()))
    else:
        pairs = pair_files(folder / "images", folder / "masks")
    return group_scans([SliceFile(slice_name(stem, manifest), image, mask) for stem, image, mask in pairs], manifest)


def slice_name(stem: str, manifest: DatasetManifest) -> SliceName:
    """Who and where a slice of the data set is: by its name, but the patient by ``dataset.json`` where that states one."""
    name = parse_slice_name(stem, manifest.pattern)
    stated = manifest.scan_info(name.scan).patient
    return replace(name, patient=stated, parsed=True) if stated else name


def png_files(folder: Path) -> dict[str, Path]:
    """The PNG files of a folder by name without suffix; hidden ones, such as a Mac's ``._NAME.png``, are left out.

    Names are compared as NFC, since a Mac writes umlauts in two characters (NFD); endings in any case.

    Raises:
        DatasetError: the folder is missing or holds files of other kinds only, or two files have one name.
    """
    if not folder.is_dir():
        raise DatasetError("A folder is missing", value=folder, todo="give a folder with images/ and masks/")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".png" or path.name.startswith("."):
            continue
        stem = unicodedata.normalize("NFC", path.stem)
        if stem in files:
            value = f"{files[stem].name}, {path.name} in {folder}"
            raise DatasetError("Two files have one name", value=value, todo="remove one of them")
        files[stem] = path
    others = sorted({path.suffix or path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."})
    if others and not files:
        raise DatasetError(f"The folder holds no PNG files, but {listed(others)}", value=folder, todo="export the slices as PNG")
    return files


def pair_files(images: Path, masks: Path) -> list[tuple[str, Path, Path]]:
    """Pair ``*.png`` of two folders by name: (stem, image, mask), sorted.

    Raises:
        DatasetError: a folder is missing, or a file has no partner; the files are named.
    """
    found_images, found_masks = png_files(images), png_files(masks)
    problems = [
        _count("without a mask", sorted(found_images.keys() - found_masks.keys()), "image"),
        _count("without an image", sorted(found_masks.keys() - found_images.keys()), "mask"),
    ]
    if any(problems):
        value = f"{images.parent}: {'; '.join(filter(None, problems))}"
        raise DatasetError("Images and masks do not pair up", value=value, todo="add or remove the files named")
    return [(stem, found_images[stem], found_masks[stem]) for stem in sorted(found_images)]


def _count(what: str, stems: list[str], kind: str) -> str:
    named = listed([f"{stem}.png" for stem in stems])
    return f"{len(stems)} {kind}{'s' if len(stems) > 1 else ''} {what} ({named})" if stems else ""


def group_scans(slices: Iterable[SliceFile], manifest: DatasetManifest) -> tuple[Scan, ...]:
    """Group slices into scans, ordered by patient, day and id (numbers in names by value: case9 before case16).

    >>> names = [parse_slice_name(f"case{n}_day0_slice_{z:04d}") for n in (16, 9) for z in (2, 1)]
    >>> scans = group_scans([SliceFile(name, Path("image"), Path("mask")) for name in names], DatasetManifest("set"))
    >>> [(scan.id, [each.name.number for each in scan.slices]) for scan in scans]
    [('case9_day0', [1, 2]), ('case16_day0', [1, 2])]

    Raises:
        DatasetError: two slices of a scan have the same number, or belong to two patients.
    """
    groups: dict[str, list[SliceFile]] = defaultdict(list)
    for each in slices:
        groups[each.name.scan].append(each)
    scans = []
    for scan_id, members in groups.items():
        members.sort(key=lambda each: each.name.number)
        _check_members(scan_id, members)
        name = members[0].name
        scans.append(Scan(scan_id, name.patient, name.day, tuple(members), manifest.scan_info(scan_id)))
    return tuple(sorted(scans, key=lambda scan: (natural_key(scan.patient), scan.day or 0, scan.id)))


def _check_members(scan_id: str, members: list[SliceFile]) -> None:
    patients = sorted({each.name.patient for each in members}, key=natural_key)
    if len(patients) > 1:
        todo = "state a pattern whose scan names the patient too"
        raise DatasetError(f"Scan {scan_id} belongs to two patients", value=", ".join(patients[:MAX_NAMED]), todo=todo)
    for earlier, later in pairwise(members):
        if earlier.name.number == later.name.number:
            value = f"{earlier.image.name}, {later.image.name}"
            todo = "rename one of them" if later.name.number else "state a pattern that tells the number too, (?P<slice>…)"
            raise DatasetError(f"Two slices of scan {scan_id} have one number", value=value, todo=todo)
