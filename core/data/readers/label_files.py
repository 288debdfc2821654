"""Label maps of other tools: found in folders, paired, and turned into our classes; `label_png` and `label_nifti` read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.identity import SliceName, listed, natural_key
from core.data.images import Pixels
from core.data.manifest import ScanInfo
from core.data.masks import LabelMap
from core.data.readers.nifti import SUFFIXES, stem_of
from core.data.scan import Scan, SliceFile
from core.errors import ConfigError, DatasetError, MaskError
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
        ids = {kind.name: kind.id for kind in CLASSES}
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
        present = frozenset(int(label) for label in np.flatnonzero(np.bincount(whole.ravel())))
        classes = {kind.id: kind.id for kind in CLASSES} if self.classes is None else dict(self.classes)
        ignored = present - classes.keys() - {0}
        if ignored and self.classes is None:
            what = f"{listed([str(label) for label in sorted(ignored)])} have no class"
            raise MaskError(f"Labels {what}", value=path, todo="say which is which, such as --map 6=stomach,18=small_bowel")
        table = np.zeros(max(present, default=0) + 1, np.uint8)
        for label in present & classes.keys():
            table[label] = classes[label]
        return table[whole], ignored


def _whole_numbers(labels: NDArray[Any], path: Path) -> NDArray[Any]:
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        todo = "export labels, not probabilities"
        raise MaskError("A label map holds values between whole numbers", value=path, todo=todo)
    if labels.size and (labels.min() < 0 or labels.max() > MAX_LABEL):
        raise MaskError(f"A label map holds labels outside 0 to {MAX_LABEL}", value=path, todo="export labels")
    return labels if labels.dtype.kind == "u" else labels.astype(np.uint16)


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
    files: dict[str, Path] = {}
    for path in paths:
        stem = path.stem if path.suffix == ".png" else stem_of(path)
        if stem in files:
            raise DatasetError(f"Two files are named {stem}", value=folder, todo="remove one of them")
        files[stem] = path
    return kinds.pop(), files


def find_pairs(truth: Path, prediction: Path, images: Path | None) -> tuple[str, dict[str, tuple[Path, Path, Path | None]]]:
    """The kind of file, and by name the truth, the prediction and the image where a folder of images is given.

    nnU-Net's image names (``NAME_0000``) count as ``NAME``.

    Raises:
        DatasetError: see `find_files`; folders of two kinds; or files without a partner, all of which are named together.
    """
    kind, references = find_files(truth)
    others = {"prediction": find_files(prediction)} | ({"image": find_files(images)} if images else {})
    for name, (other, _) in others.items():
        if other != kind:
            value = f"{truth} and {prediction if name == 'prediction' else images}"
            raise DatasetError(f"Truth and {name} are of two kinds, {kind} and {other}", value=value, todo="convert one of them")
    drawn = others["prediction"][1]
    pictures = {stem.removesuffix("_0000"): path for stem, path in others["image"][1].items()} if images else {}
    problems = [
        _lonely("truth", "prediction", references.keys() - drawn.keys()),
        _lonely("prediction", "truth", drawn.keys() - references.keys()),
        _lonely("truth", "image", references.keys() - pictures.keys()) if images else "",
    ]
    if any(problems):
        value = f"{truth}: {'; '.join(filter(None, problems))}"
        raise DatasetError("Label maps do not pair up", value=value, todo="add or remove the files named")
    return kind, {stem: (references[stem], drawn[stem], pictures.get(stem)) for stem in sorted(references, key=natural_key)}


def _lonely(kind: str, other: str, stems: set[str]) -> str:
    return f"{len(stems)} {kind} without {other} ({listed(sorted(stems, key=natural_key))})" if stems else ""


def scan_of_files(names: Sequence[SliceName], info: ScanInfo, path: Path) -> Scan:
    """A scan of these slices, whose files are not our own."""
    slices = tuple(SliceFile(name, path, path) for name in names)
    return Scan(names[0].scan, names[0].patient, names[0].day, slices, info)
