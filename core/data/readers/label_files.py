"""Label maps of other tools: found in folders, paired, read and turned into our classes, one scan at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Spacing
from core.data.identity import MAX_NAMED, SliceName, natural_key, parse_slice_name
from core.data.images import Pixels, check_picture, decode, is_grey, read_image, to_grey
from core.data.manifest import ScanInfo
from core.data.masks import LabelMap
from core.data.readers.nifti import SUFFIXES, NiftiVolume, check_same_place, read_nifti, stem_of
from core.data.scan import Scan, SliceFile
from core.errors import ConfigError, DatasetError, ImageError, MaskError
from core.labels import CLASSES

PATTERN = r"(?P<scan>(?P<patient>.+?)(?:_day(?P<day>\d+))?)_slice_(?P<slice>\d+)"
"""How names tell patient, day and slice: the UW-Madison set's way, for any name of a scan."""
MAX_LABEL = 65_535


@dataclass(frozen=True)
class LabelScan:
    """One scan's label maps, in our classes and in the order of our slices."""

    scan: Scan
    reference: LabelMap
    prediction: LabelMap
    image: Pixels | None
    ignored: frozenset[int] = frozenset()
    """Labels that the mapping leaves out; they count as background."""
    notes: tuple[str, ...] = ()


class LabelSource(Protocol):
    """Where label maps come from."""

    @property
    def ids(self) -> Sequence[str]:
        """The scans, in order."""

    @property
    def has_images(self) -> bool:
        """Whether `read` gives images too."""

    def read(self, scan: str) -> LabelScan:
        """Read one scan; see `read_nifti` and `read_label_png` for what it raises."""


@dataclass(frozen=True)
class LabelTable:
    """Which label of a file is which of our classes."""

    classes: Mapping[int, int] | None = None
    """Class id by label; ``None``: labels are our class ids already."""

    @classmethod
    def parse(cls, text: str) -> "LabelTable":
        """Read ``6=stomach,18=small_bowel``; an empty text means that labels are class ids.

        Raises:
            ConfigError: not of that form, an unknown class, or a label given twice.
        """
        ids = {each.name: each.id for each in CLASSES}
        classes: dict[int, int] = {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            label, _, name = word.partition("=")
            if not label.strip().isdecimal() or int(label) > MAX_LABEL or name.strip() not in ids:
                todo = f"write LABEL=CLASS,… with a class of {', '.join(ids)}"
                raise ConfigError("The label map has an entry that cannot be used", value=word, todo=todo)
            if int(label) in classes:
                raise ConfigError("The label map names a label twice", value=label, todo="name each label once")
            classes[int(label)] = ids[name.strip()]
        return cls(classes or None)

    def apply(self, labels: NDArray[Any], path: Path) -> tuple[LabelMap, frozenset[int]]:
        """The label map in our classes (uint8, same shape), and the labels that were left out as background.

        Raises:
            MaskError: values that are no labels, or labels without a class where no mapping is given.
        """
        whole = _whole_numbers(labels, path)
        found = frozenset(int(label) for label in np.flatnonzero(np.bincount(whole.ravel())))
        classes = {each.id: each.id for each in CLASSES} if self.classes is None else dict(self.classes)
        ignored = found - classes.keys() - {0}
        if ignored and self.classes is None:
            what = f"{_listed([str(label) for label in sorted(ignored)])} have no class"
            raise MaskError(f"Labels {what}", value=path, todo="say which is which, such as --map 6=stomach,18=small_bowel")
        table = np.zeros(max(found, default=0) + 1, np.uint8)
        for label in found & classes.keys():
            table[label] = classes[label]
        return table[whole], ignored


def _whole_numbers(labels: NDArray[Any], path: Path) -> NDArray[Any]:
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        todo = "export labels, not probabilities"
        raise MaskError("A label map holds values between whole numbers", value=path, todo=todo)
    if labels.size and (labels.min() < 0 or labels.max() > MAX_LABEL):
        raise MaskError(f"A label map holds labels outside 0 to {MAX_LABEL}", value=path, todo="export labels")
    return labels if labels.dtype.kind == "u" else labels.astype(np.uint16)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def find_files(folder: Path) -> tuple[str, dict[str, Path]]:
    """``png`` or ``nifti``, and the files of that kind by name without suffix.

    Raises:
        DatasetError: no folder, nothing in it, both kinds, or two files of one name.
    """
    if not folder.is_dir():
        raise DatasetError("The folder does not exist", value=folder, todo="check the path")
    paths = sorted(path for path in folder.iterdir() if path.name.endswith((".png", *SUFFIXES)) and path.name[0] != ".")
    kinds = {"png" if path.suffix == ".png" else "nifti" for path in paths}
    if len(kinds) != 1:
        what = "holds PNG and NIfTI files" if kinds else "holds no PNG or NIfTI files"
        raise DatasetError(f"The folder {what}", value=folder, todo="give a folder with one kind of label map")
    found: dict[str, Path] = {}
    for path in paths:
        stem = path.stem if path.suffix == ".png" else stem_of(path)
        if stem in found:
            raise DatasetError(f"Two files are named {stem}", value=folder, todo="remove one of them")
        found[stem] = path
    return kinds.pop(), found


def find_pairs(truth: Path, prediction: Path, images: Path | None) -> tuple[str, dict[str, tuple[Path, Path, Path | None]]]:
    """The kind of file, and by name the truth, the prediction and the image where a folder of images is given.

    nnU-Net's image names (``NAME_0000``) count as ``NAME``.

    Raises:
        DatasetError: see `find_files`; folders of two kinds; or files without a partner, all of which are named together.
    """
    kind, found = find_files(truth)
    others = {"prediction": find_files(prediction)} | ({"image": find_files(images)} if images else {})
    for name, (other, _) in others.items():
        if other != kind:
            value = f"{truth} and {prediction if name == 'prediction' else images}"
            raise DatasetError(f"Truth and {name} are of two kinds, {kind} and {other}", value=value, todo="convert one of them")
    drawn = others["prediction"][1]
    pictures = {stem.removesuffix("_0000"): path for stem, path in others["image"][1].items()} if images else {}
    problems = [
        _lonely("truth", "prediction", found.keys() - drawn.keys()),
        _lonely("prediction", "truth", drawn.keys() - found.keys()),
        _lonely("truth", "image", found.keys() - pictures.keys()) if images else "",
    ]
    if any(problems):
        value = f"{truth}: {'; '.join(filter(None, problems))}"
        raise DatasetError("Label maps do not pair up", value=value, todo="add or remove the files named")
    return kind, {stem: (found[stem], drawn[stem], pictures.get(stem)) for stem in sorted(found, key=natural_key)}


def _lonely(kind: str, other: str, stems: set[str]) -> str:
    return f"{len(stems)} {kind} without {other} ({_listed(sorted(stems, key=natural_key))})" if stems else ""


@dataclass(frozen=True)
class NiftiSource:
    """One NIfTI volume a scan, named after it."""

    pairs: Mapping[str, tuple[Path, Path, Path | None]]
    truth_table: LabelTable = field(default_factory=LabelTable)
    prediction_table: LabelTable = field(default_factory=LabelTable)

    @property
    def ids(self) -> Sequence[str]:
        return list(self.pairs)

    @property
    def has_images(self) -> bool:
        return all(image for _, _, image in self.pairs.values())

    def read(self, scan: str) -> LabelScan:
        truth_path, prediction_path, image_path = self.pairs[scan]
        truth, prediction = read_nifti(truth_path), read_nifti(prediction_path)
        check_same_place(truth, prediction)
        reference, ignored = self.truth_table.apply(truth.voxels, truth_path)
        drawn, also_ignored = self.prediction_table.apply(prediction.voxels, prediction_path)
        image = None if image_path is None else _picture(truth, read_nifti(image_path))
        depth, height, width = reference.shape
        names = [parse_slice_name(f"{scan}_slice_{number:04d}", PATTERN) for number in range(1, depth + 1)]
        notes = [f"{each.path.name} does not state where it lies" for each in (truth, prediction) if not each.stated]
        made = scan_of_files(names, ScanInfo(truth.spacing_mm, (height, width)), truth_path)
        return LabelScan(made, reference, drawn, image, ignored | also_ignored, tuple(notes))


def _picture(truth: NiftiVolume, image: NiftiVolume) -> Pixels:
    check_same_place(truth, image)
    return to_pixels(image.voxels)


def to_pixels(voxels: NDArray[Any]) -> Pixels:
    """Numbers of any kind as 8- or 16-bit pixels: whole numbers are kept but for an offset, others stretched over 16 bits."""
    if voxels.dtype in (np.uint8, np.uint16):
        return voxels
    values = np.nan_to_num(voxels.astype(np.float64))
    low, span = values.min(), max(values.max() - values.min(), 1.0)
    keep = span <= MAX_LABEL and np.array_equal(values, np.rint(values))
    pixels: NDArray[np.uint16] = np.rint((values - low) * (1 if keep else MAX_LABEL / span)).astype(np.uint16)
    return pixels


def scan_of_files(names: Sequence[SliceName], info: ScanInfo, path: Path) -> Scan:
    """A scan of these slices, whose files are not our own."""
    slices = tuple(SliceFile(name, path, path) for name in names)
    return Scan(names[0].scan, names[0].patient, names[0].day, slices, info)


class PngSource:
    """PNG slices, grouped into scans by their names."""

    def __init__(
        self,
        pairs: Mapping[str, tuple[Path, Path, Path | None]],
        truth_table: LabelTable,
        prediction_table: LabelTable,
        *,
        spacing_mm: Spacing | None,
        pattern: str = PATTERN,
        infos: Mapping[str, ScanInfo] | None = None,
    ) -> None:
        """
        Args:
            spacing_mm: of scans for which ``infos`` has none.
        """
        self.pairs, self.spacing_mm, self.infos = pairs, spacing_mm, infos or {}
        self.tables = truth_table, prediction_table
        self.members: dict[str, list[SliceName]] = {}
        for name in sorted((parse_slice_name(stem, pattern) for stem in pairs), key=lambda name: name.number):
            self.members.setdefault(name.scan, []).append(name)

    @property
    def ids(self) -> Sequence[str]:
        return sorted(self.members, key=natural_key)

    @property
    def has_images(self) -> bool:
        return all(image for _, _, image in self.pairs.values())

    def read(self, scan: str) -> LabelScan:
        names = self.members[scan]
        numbers = [name.number for name in names]
        if len(set(numbers)) < len(numbers):
            raise DatasetError("Two slices of a scan have one number", value=scan, todo="rename one of them")
        files = [self.pairs[name.stem] for name in names]
        truth = _stack(scan, [read_label_png(path) for path, _, _ in files])
        prediction = _stack(scan, [read_label_png(path) for _, path, _ in files])
        if truth.shape != prediction.shape:
            sizes = " and ".join(f"{each.shape[2]}×{each.shape[1]}" for each in (truth, prediction))
            todo = "resize the prediction to the truth, by nearest neighbour"
            raise MaskError(f"Truth and prediction differ in size ({sizes})", value=scan, todo=todo)
        reference, ignored = self.tables[0].apply(truth, files[0][0].parent / scan)
        drawn, also_ignored = self.tables[1].apply(prediction, files[0][1].parent / scan)
        image = _stack(scan, [read_image(path) for _, _, path in files if path]) if self.has_images else None
        if image is not None and image.shape != reference.shape:
            raise ImageError("Images and label maps differ in size", value=scan, todo="export them at one size")
        info = self.infos.get(scan) or ScanInfo(native_size=(reference.shape[1], reference.shape[2]))
        info = replace(info, spacing_mm=info.spacing_mm or self.spacing_mm)
        return LabelScan(scan_of_files(names, info, files[0][0]), reference, drawn, image, ignored | also_ignored)


def read_label_png(path: Path) -> NDArray[Any]:
    """The labels of a PNG file (H, W), 8 or 16 bits.

    Raises:
        MaskError: unreadable, or in colour.
    """
    try:
        check_picture(path)
        pixels = decode(path)
    except ImageError as error:
        raise MaskError(f"Label map: {error.what}", value=path, todo=error.todo) from error
    if not is_grey(pixels) or pixels.dtype not in (np.uint8, np.uint16):
        raise MaskError("A label map is in colour", value=path, todo="export labels as one channel of 8 or 16 bits")
    return to_grey(pixels)


def _stack(scan: str, planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    sizes = sorted({f"{plane.shape[1]}×{plane.shape[0]} pixels of {plane.dtype.itemsize * 8} bits" for plane in planes})
    if len(sizes) > 1:
        raise DatasetError(f"The slices of scan {scan} differ", value=", ".join(sizes), todo="export all slices of a scan alike")
    return np.stack(planes)
