"""Label maps of other tools turned into our classes: by label, by colour, or by the name that a file gives its labels."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.identity import SliceName, listed
from core.data.images import Pixels
from core.data.manifest import ScanInfo
from core.data.masks import MAX_LABEL, LabelMap, to_labels
from core.data.readers.label_presets import PRESETS
from core.data.scan import Scan, SliceFile
from core.errors import ConfigError, GutCheckError, MaskError
from core.labels import CLASSES

PATTERN = r"(?P<scan>(?P<patient>.+?)(?:_day(?P<day>\d+))?)_slice_(?P<slice>\d+)"
"""How names tell patient, day and slice: the UW-Madison set's way, for any name of a scan."""
EXAMPLE = "--map 6=stomach,13=small_bowel"
MAX_COLOURS = 31
"""Other colours than those with a class that a mask may hold; smoothed edges and lossy files have hundreds."""


@dataclass(frozen=True)
class LabelScan:
    """One scan's label maps, in our classes and in the order of our slices."""

    scan: Scan
    reference: LabelMap
    prediction: LabelMap
    image: Pixels | None
    ignored: frozenset[str] = frozenset()
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

    def check(self) -> None:
        """Look at what can be seen of every file at once, before anything long is begun; raises as `read` does."""

    def read(self, scan: str) -> LabelScan:
        """Read one scan; what it raises says whether truth, prediction or image is at fault."""


@contextmanager
def at_fault(role: str) -> Iterator[None]:
    """Put before an error's sentence whose file it is about: ``Truth``, ``Prediction`` or ``Image``."""
    try:
        yield
    except GutCheckError as error:
        raise type(error)(f"{role}: {error.what}", value=error.value, todo=error.todo) from error


@dataclass(frozen=True)
class LabelTable:
    """Which label, colour or name of a file is which of our classes."""

    classes: Mapping[int, int] | None = None
    """Class id by label. Where this and the others state nothing, a file's own names decide, and else labels are class ids."""
    names: Mapping[str, int] = field(default_factory=dict)
    """Class id by the name that a file gives a label, in small letters (see `folded`)."""
    colours: Mapping[int, int] = field(default_factory=dict)
    """Class id by colour (0xrrggbb); masks are then read by colour."""

    @property
    def stated(self) -> bool:
        """Whether anything is mapped."""
        return bool(self.classes or self.names or self.colours)

    @property
    def known_names(self) -> Mapping[str, int]:
        """Class id by name: ours too, unless numbers or colours say what is what."""
        return dict(self.names) if self.classes or self.colours else OUR_NAMES | dict(self.names)

    @classmethod
    def parse(cls, text: str, colours: str = "") -> "LabelTable":
        """Read ``6=stomach,13=small_bowel``, the name of a preset, or an empty text.

        Args:
            text: of each entry the left is a label, a colour ``#rrggbb`` or the name that a file gives a label.
            colours: the same, for colours alone.

        Raises:
            ConfigError: not of that form, an unknown class or preset, a label given twice, or labels and colours together.
        """
        ids = {kind.name: kind.id for kind in CLASSES}
        found: tuple[dict[int, int], dict[str, int], dict[int, int]] = ({}, {}, {})
        for word in [*_entries(text), *_entries(colours)]:
            label, _, name = (part.strip() for part in word.partition("="))
            key, kind = _key(label)
            if not label or name not in ids or kind < 0 or (kind < 2 and word in _entries(colours)):
                todo = f"write LABEL=CLASS,… with a class of {', '.join(ids)}, or one of {', '.join(PRESETS)}"
                raise ConfigError("The label map has an entry that cannot be used", value=word, todo=todo)
            if key in found[kind]:
                raise ConfigError("The label map names a label twice", value=label, todo="name each label once")
            found[kind][key] = ids[name]  # type: ignore[index]
        if found[2] and (found[0] or found[1]):
            raise ConfigError("Labels and colours are mapped together", value=text, todo="give one of them")
        return cls(found[0] or None, found[1], found[2])

    def to_json(self) -> dict[str, int] | None:
        """Class id by label, name or colour; nothing where nothing is mapped."""
        named = {f"#{colour:06x}": class_id for colour, class_id in self.colours.items()} | dict(self.names)
        return {str(label): class_id for label, class_id in (self.classes or {}).items()} | named if self.stated else None

    def apply(
        self, labels: NDArray[Any], path: object, names: Mapping[int, str] | None = None
    ) -> tuple[LabelMap, frozenset[str]]:
        """The label map in our classes (uint8, same shape), and the labels that were left out as background.

        Args:
            labels: any shape; colours (0xrrggbb, uint32) where the table maps colours.
            path: named in errors.
            names: what the file calls its labels, where it says.

        Raises:
            MaskError: values that are no labels, or labels without a class where no mapping is given.
        """
        if self.colours:
            return self._by_colour(labels, path)
        whole = to_labels(labels, path)
        present = frozenset(int(label) for label in np.flatnonzero(np.bincount(whole.ravel())))
        classes = self._classes(names or {}, path)
        ignored = sorted(present - classes.keys() - {0})
        if ignored and not self.stated and not (names and classes):
            shown = listed([_shown(label, names) for label in ignored])
            raise MaskError(f"Labels {shown} have no class", value=path, todo=f"say which is which, such as {EXAMPLE}")
        table = np.zeros(max(present, default=0) + 1, np.uint8)
        for label in present & classes.keys():
            table[label] = classes[label]
        return table[whole], frozenset(_shown(label, names) for label in ignored)

    def _classes(self, names: Mapping[int, str], path: object) -> dict[int, int]:
        """Class id by label of a file that gives its labels these names."""
        if self.names and not names:
            raise MaskError("The label map gives its labels no names", value=path, todo=f"map numbers, such as {EXAMPLE}")
        if not self.stated and not names:
            return {kind.id: kind.id for kind in CLASSES}
        known = self.known_names
        by_name = {label: known[folded(name)] for label, name in names.items() if folded(name) in known}
        return by_name | dict(self.classes or {})

    def _by_colour(self, labels: NDArray[Any], path: object) -> tuple[LabelMap, frozenset[str]]:
        if labels.dtype != np.uint32:
            raise MaskError(
                "The label map holds labels, and colours are mapped", value=path, todo=f"map labels, such as {EXAMPLE}"
            )
        present, places = np.unique(labels, return_inverse=True)
        others = [f"#{colour:06x}" for colour in present.tolist() if colour and colour not in self.colours]
        if len(others) > MAX_COLOURS:
            what = f"A mask holds {len(others):,} colours that have no class ({listed(others)})"
            raise MaskError(what, value=path, todo="export it without smoothed edges")
        table = np.array([self.colours.get(colour, 0) for colour in present.tolist()], np.uint8)
        return table[places].reshape(labels.shape), frozenset(others)


def folded(name: str) -> str:
    """A name in small letters, its words parted by single spaces: ``Bowel_Small`` is ``bowel small``."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", name).casefold().replace("_", " ")))


OUR_NAMES = {folded(name): kind.id for kind in CLASSES for name in (kind.name, kind.title, kind.tg263) if name} | {
    "colon": 3  # as nnU-Net's and TotalSegmentator's tables call the large bowel
}
"""Class id by its name, title and TG-263 name."""


def _entries(text: str) -> list[str]:
    text = PRESETS.get(text.strip(), text)
    return [part for part in (word.strip() for word in text.split(",")) if part]


def _key(label: str) -> tuple[int | str, int]:
    """A label (0), a name (1) or a colour (2); -1 where it is none."""
    if label.startswith("#"):
        return (int(label[1:], 16), 2) if re.fullmatch(r"#[0-9a-fA-F]{6}", label) else (0, -1)
    if re.fullmatch(r"[+-]?\d+", label):
        return (int(label), 0) if label.isdecimal() and int(label) <= MAX_LABEL else (0, -1)
    return folded(label), 1


def _shown(label: int, names: Mapping[int, str] | None) -> str:
    return f"{label} ({names[label]})" if names and label in names else str(label)


def scan_of_files(names: Sequence[SliceName], info: ScanInfo, path: Path) -> Scan:
    """A scan of these slices, whose files are not our own."""
    slices = tuple(SliceFile(name, path, path) for name in names)
    return Scan(names[0].scan, names[0].patient, names[0].day, slices, info)
