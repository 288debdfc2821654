"""What the browser's viewer gets of a scan: compressed files of the windowed image and the label maps, or of one of them."""

import gzip
import hashlib
import json
import math
import struct
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.grid import stored_spacing
from core.data.images import Pixels, Window, volume_window
from core.data.masks import LabelMap, read_label_volume
from core.data.scan import Scan
from core.data.volume import GreyScale
from core.errors import DatasetError, WorkspaceError
from core.imaging.overlay import ERROR_COLOURS
from core.labels import ORGANS
from core.runs.registry import Evaluation
from core.storage.files import sha256_of_array

MAGIC = b"GCSCAN4\0"
Part = Literal["scan", "intensities", "labels"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The windowed image and both label maps; the image as it is stored; the label maps alone."""
MOST_REGIONS = 200
"""Error regions sent, largest first; the rest are rims of a few voxels."""


@dataclass(frozen=True)
class ScanPayload:
    """A scan for the viewer.

    The unpacked bytes are: 8 bytes ``GCSCAN4\\0``; the header's length in bytes, little-endian uint32; the header, JSON, whose
    ``bytes`` says how many follow; and then, by part,

    - ``scan``: the image, uint8 (Z·H·W), under the scan's display window, and the label maps, uint8 (Z·H·W);
    - ``intensities``: the image as it is stored, (Z·H·W) of the header's ``dtype``, uint8 or little-endian uint16;
    - ``labels``: the label maps alone.

    The header's ``reference`` is false for a scan that has none, which `image_payload` packs: no prediction is sent either, and
    the label maps are zeros. ``orientation`` is that of `core.data.grid.Grid`, null where nobody knows it.

    A byte of the label maps holds the reference in bits 0 and 1 and the prediction in bits 2 and 3; the viewer lays a second
    run's prediction into bits 4 and 5 and a correction into bits 6 and 7.
    """

    body: bytes
    """Gzipped."""
    etag: str
    """Changes when the image, the reference, the prediction or the evaluation does."""


def payload_etag(evaluation: Evaluation, scan: str) -> str:
    """The identity of a scan's payload by its hashes, without reading a picture; the same for all its parts."""
    facts = evaluation.scan_facts(scan)
    # Scores and the leak badge travel in the header, and belong to one evaluation.
    made = hashlib.sha256(MAGIC + str(evaluation.summary.get("created_at")).encode()).hexdigest()
    hashes = [str(facts[key]) for key in ("image_sha256", "reference_sha256", "prediction_sha256")]
    return "-".join(each[:16] for each in (*hashes, made))


def scan_payload(evaluation: Evaluation, scan: str, part: Part = "scan") -> ScanPayload:
    """Read what the part needs of a scan's image and reference from its data set and its prediction, and pack it.

    Raises:
        WorkspaceError: no such scan, or its image, reference or prediction was changed since the evaluation.
        DatasetError, ImageError, MaskError: files that are gone or damaged.
    """
    facts = evaluation.scan_facts(scan)
    source = evaluation.find_scan(scan)
    volumes: list[NDArray[Any]] = []
    header: dict[str, Any] = {"image": facts["image_sha256"]}
    if part != "labels":
        image = source.read_image(check=False)
        _check_unchanged(evaluation, scan, image_sha256=image)
        volumes.append(_picture(image, part, header))
    if part != "intensities":
        volumes.append(_labels(evaluation, scan, source.read_labels()))
    if part == "scan":
        header |= _geometry(source, facts, volumes[0].shape[1:]) | {
            "reference": True,
            "leak": evaluation.badge.text,
            "confidence": _confidence(evaluation, scan, len(facts["slice_numbers"])),
            "regions": _regions(evaluation, scan),
        }
    return ScanPayload(_packed(header, volumes), payload_etag(evaluation, scan))


def image_etag(scan: Scan) -> str:
    """The identity of the payload of a scan without a reference: by names, times and sizes of its files, none of which is read.

    Raises:
        DatasetError: a file is gone.
    """
    try:
        found = [(each.image.name, each.image.stat()) for each in scan.slices]
    except OSError as error:
        todo = "bring its pictures back, or prepare the data set again"
        raise DatasetError(f"A picture of scan {scan.id} is gone", value=error.filename, todo=todo) from error
    files = [(name, about.st_mtime_ns, about.st_size) for name, about in found]
    return hashlib.sha256(MAGIC + repr((files, scan.info)).encode()).hexdigest()[:32]


def image_payload(scan: Scan, part: Part = "scan") -> ScanPayload:
    """Pack a scan that has no reference: the picture alone.

    Raises:
        DatasetError, ImageError: files that are gone or damaged.
    """
    etag = image_etag(scan)
    header: dict[str, Any] = {"image": etag}
    image = scan.read_image()
    volumes: list[NDArray[Any]] = [] if part == "labels" else [_picture(image, part, header)]
    if part != "intensities":
        volumes.append(np.zeros(image.shape, np.uint8))
    if part == "scan":
        numbers = [each.name.number for each in scan.slices]
        facts = {"slice_numbers": numbers, "spacing_mm": scan.info.grid.spacing_mm, "native_size": scan.info.native_size}
        nothing = {"reference": False, "leak": "", "confidence": None, "regions": []}
        header |= _geometry(scan, facts, image.shape[1:]) | nothing
    return ScanPayload(_packed(header, volumes), etag)


def _picture(image: Pixels, part: Part, header: dict[str, Any]) -> NDArray[Any]:
    """The image as the part wants it; the header gets what belongs to it."""
    if part == "intensities":
        header["dtype"] = image.dtype.name
        return image.astype(image.dtype.newbyteorder("<"), copy=False)
    window = volume_window(image)
    header["window"] = {"low": window.low, "high": window.high, "min": int(image.min()), "max": int(image.max())}
    return _windowed(image, window)


def _labels(evaluation: Evaluation, scan: str, reference: LabelMap) -> LabelMap:
    prediction = read_label_volume(evaluation.paths.mask(scan))
    _check_unchanged(evaluation, scan, reference_sha256=reference, prediction_sha256=prediction)
    return reference | (prediction << np.uint8(2))


def _check_unchanged(evaluation: Evaluation, scan: str, **shown: NDArray[Any]) -> None:
    facts = evaluation.scan_facts(scan)
    if any(sha256_of_array(array) != facts[key] for key, array in shown.items()):
        # A verdict would be recorded under the hash of pixels that nobody saw.
        what = f"Scan {scan} has changed since it was evaluated"
        raise WorkspaceError(what, value=evaluation.dataset_root, todo="evaluate the run again")


def _packed(header: dict[str, Any], volumes: list[NDArray[Any]]) -> bytes:
    about = {"shape": list(volumes[0].shape), "bytes": sum(volume.nbytes for volume in volumes)}
    raw = json.dumps(header | about).encode()
    parts = (MAGIC, struct.pack("<I", len(raw)), raw, *(volume.tobytes() for volume in volumes))
    return gzip.compress(b"".join(parts), compresslevel=1, mtime=0)


def _windowed(image: Pixels, window: Window) -> NDArray[np.uint8]:
    """``window.apply(image)``, reckoned once for each intensity that there can be rather than for each voxel."""
    intensities = np.arange(np.iinfo(image.dtype).max + 1, dtype=image.dtype)
    return window.apply(intensities)[image]


def _geometry(scan: Scan, facts: dict[str, Any], size: tuple[int, ...]) -> dict[str, Any]:
    """What both kinds of payload say of the voxels; ``step``, their sides (z, y, x), is in native pixels without a spacing."""
    grey = scan.info.grey or GreyScale()
    # Along axes that are not at right angles nobody can measure.
    spacing_mm = None if scan.info.grid.sheared else facts["spacing_mm"]
    return {
        "slice_numbers": facts["slice_numbers"],
        "spacing_mm": spacing_mm,
        "native_size": facts["native_size"],
        "orientation": scan.info.grid.orientation,
        "grey": [grey.slope, grey.intercept],
        "step": stored_spacing(spacing_mm or (1.0, 1.0, 1.0), facts["native_size"], size),
        "organs": [{"id": o.id, "name": o.name, "title": o.title, "rgb": list(o.rgb)} for o in ORGANS],
        "error_kinds": [{"name": k.name, "title": k.title, "rgb": list(k.rgb)} for k in ERROR_COLOURS],
    }


def _confidence(evaluation: Evaluation, scan: str, depth: int) -> dict[str, list[float | None]] | None:
    """Mean confidence of each organ on each slice; ``None`` where the evaluation has no table that tells it."""
    try:
        slices = evaluation.slices()
        rows = slices[slices["scan"] == scan]
        values = rows.pivot(index="position", columns="organ", values="confidence").reindex(range(depth))
    except (WorkspaceError, KeyError, ValueError):
        return None
    return {str(name): [None if math.isnan(each) else round(float(each), 3) for each in values[name]] for name in values}


def _regions(evaluation: Evaluation, scan: str) -> list[dict[str, Any]]:
    """The scan's largest error regions; none where the evaluation is older than their table."""
    try:
        errors = evaluation.errors()
        rows = errors[errors["scan"] == scan].nlargest(MOST_REGIONS, "voxels")
        places = pd.DataFrame({"z": rows["position"]} | {name: rows[name] for name in ("organ", "kind", "voxels", "x", "y")})
    except (WorkspaceError, KeyError, TypeError):
        return []
    return [{str(key): value for key, value in row.items()} for row in places.to_dict("records")]
