"""A picture of labels as a data set keeps it: our class ids, one channel of 8 bits."""

from pathlib import Path

from PIL import Image

from core.data.images import encode_png
from core.data.masks import LabelMap, check_label_map, read_mask
from core.data.readers.label_files import LabelTable
from core.data.readers.label_png import read_label_png


def read_labels(path: Path, shape: tuple[int, int], labels: LabelTable) -> tuple[LabelMap, bytes]:
    """A mask's class ids (H, W) uint8, and the bytes of its PNG: the file's own, where that holds just these.

    Args:
        shape: (height, width) of the image.
        labels: which label of the file is which class.

    Raises:
        MaskError: it cannot be used as class ids of an image of that size.
    """
    if labels.stated:
        label_map = check_label_map(labels.apply(read_label_png(path, labels), path)[0], source=path, shape=shape)
    else:
        label_map = read_mask(path, shape=shape)
    with Image.open(path) as picture:
        as_it_is = not labels.stated and picture.format == "PNG" and picture.mode == "L"
    return label_map, path.read_bytes() if as_it_is else encode_png(label_map)
