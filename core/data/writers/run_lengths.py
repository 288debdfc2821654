"""The competition's table of run lengths: ``id,class,segmentation``, a row for each slice and organ."""

import csv
import io
from collections.abc import Iterable, Sequence

from core.data.masks import LabelMap, encode_rle
from core.labels import ORGANS
from core.storage.csv_cells import escape_formula


def run_length_table(scans: Iterable[tuple[Sequence[str], LabelMap]]) -> bytes:
    """The table of label maps.

    Args:
        scans: of each scan the names of its slices, and its class ids (Z, H, W).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "class", "segmentation"])
    for names, labels in scans:
        for name, plane in zip(names, labels, strict=True):
            writer.writerows([escape_formula(name), organ.name, encode_rle(plane == organ.id)] for organ in ORGANS)
    return text.getvalue().encode()
