"""What the browser's viewer gets of a scan: one compressed file with the image and both label maps."""

import gzip
import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.data.images import volume_window
from core.data.index import load_index
from core.data.masks import read_label_volume
from core.errors import WorkspaceError
from core.files import sha256_of_array
from core.labels import ORGANS
from core.runs import Evaluation

MAGIC = b"GCSCAN1\0"


@dataclass(frozen=True)
class ScanPayload:
    """A scan for the viewer.

    The unpacked bytes are: 8 bytes ``GCSCAN1\\0``; the header's length in bytes, little-endian uint32; the header, JSON;
    the image, uint8 (Z·H·W), under the scan's display window; the label maps, uint8 (Z·H·W), reference in bits 0 and 1,
    prediction in bits 2 and 3.
    """

    body: bytes
    """Gzipped."""
    etag: str
    """Changes when the image, the reference or the prediction does."""


def payload_etag(evaluation: Evaluation, scan: str) -> str:
    """The identity of a scan's payload by its hashes, without reading a picture."""
    facts = evaluation.scan_facts(scan)
    return "-".join(str(facts[key])[:16] for key in ("image_sha256", "reference_sha256", "prediction_sha256"))


def scan_payload(evaluation: Evaluation, scan: str) -> ScanPayload:
    """Read a scan's image and reference from its data set and its prediction from the evaluation, and pack them.

    Raises:
        WorkspaceError: no such scan, or its image, reference or prediction was changed since the evaluation.
        DatasetError, ImageError, MaskError: files that are gone or damaged.
    """
    facts = evaluation.scan_facts(scan)
    source = load_index(evaluation.dataset_root).scan(evaluation.split, scan)
    image = source.read_image(check=False)
    reference = source.read_labels()
    prediction = read_label_volume(evaluation.paths.mask(scan))
    shown = {"image_sha256": image, "reference_sha256": reference, "prediction_sha256": prediction}
    if any(sha256_of_array(array) != facts[key] for key, array in shown.items()):
        # A verdict would be recorded under the hash of pixels that nobody saw.
        what = f"Scan {scan} has changed since it was evaluated"
        raise WorkspaceError(what, value=evaluation.dataset_root, todo="evaluate the run again")
    header = _header(evaluation, facts, image.shape)
    labels = reference | (prediction << np.uint8(2))
    window = volume_window(image)
    raw = json.dumps(header).encode()
    parts = (MAGIC, struct.pack("<I", len(raw)), raw, window.apply(image).tobytes(), labels.tobytes())
    return ScanPayload(gzip.compress(b"".join(parts), compresslevel=1, mtime=0), payload_etag(evaluation, scan))


def _header(evaluation: Evaluation, facts: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "shape": list(shape),
        "slice_numbers": facts["slice_numbers"],
        "spacing_mm": facts["spacing_mm"],
        "native_size": facts["native_size"],
        "organs": [{"id": o.id, "name": o.name, "title": o.title, "rgb": list(o.rgb)} for o in ORGANS],
        "leak": evaluation.badge.text,
    }
