"""Class ids, names and colours: the only copy, read by both front ends, every chart and every export."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelClass:
    """One class of the label maps."""

    id: int
    """Value of the class's pixels in a label map."""
    name: str
    """Identifier in tables and files."""
    title: str
    """What people read."""
    rgb: tuple[int, int, int]
    """Display colour, 0 to 255 each."""
    chart: str
    """The same hue as ``#rrggbb``, at a lightness that reads on white and on dark; for charts."""
    tg263: str = ""
    """Primary name of AAPM's report TG-263, by which planning systems know the structure."""
    snomed: str = ""
    """SNOMED CT code of the body structure, for DICOM segmentations."""

    @property
    def hex(self) -> str:
        """Display colour as ``#rrggbb``."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)


CLASSES: tuple[LabelClass, ...] = (
    LabelClass(0, "background", "Background", (0, 0, 0), "#808080"),
    LabelClass(1, "stomach", "Stomach", (0, 0, 255), "#3b6fe0", "Stomach", "69695003"),
    LabelClass(2, "small_bowel", "Small bowel", (0, 255, 0), "#1f9d55", "Bowel_Small", "30315005"),
    LabelClass(3, "large_bowel", "Large bowel", (255, 0, 0), "#d64545", "Bowel_Large", "14742008"),
)
ORGANS: tuple[LabelClass, ...] = CLASSES[1:]
NUM_CLASSES = len(CLASSES)
ORGAN_NAMES: tuple[str, ...] = tuple(organ.name for organ in ORGANS)
ALL_ORGANS, MACRO = "all", "macro"
"""In an organ's place: all organs of a scan, and the mean over them."""
TITLES: dict[str, str] = {c.name: c.title for c in CLASSES} | dict.fromkeys((ALL_ORGANS, MACRO), "All organs")
"""What people read, by the name in tables and files."""
PALETTE: NDArray[np.uint8] = np.array([c.rgb for c in CLASSES], np.uint8)
"""(4, 3) uint8; row ``i`` is the colour of class ``i``."""


def class_table() -> list[dict[str, object]]:
    """The table as ``dataset.json`` holds it."""
    return [{"id": c.id, "name": c.name, "rgb": list(c.rgb)} for c in CLASSES]
