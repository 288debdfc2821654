"""Example scans: phantoms, made when they are first asked for and kept; nobody's data."""

from functools import cache

from core.data.grid import Grid
from core.data.phantom.scan import make_scan
from core.data.prepare.phantoms import DEPTH_MM
from core.data.readers.uploads import Upload

EXAMPLES: tuple[tuple[int, int], ...] = ((1, 4), (2, 7), (3, 8))
"""Phantom patient and slice (counted from 0) of each example."""
SHAPE = (12, 224, 224)
SPACING_MM = (DEPTH_MM / SHAPE[0], 1.6, 1.6)


@cache
def example_scans() -> tuple[Upload, ...]:
    """A phantom scan for each of `EXAMPLES`."""
    return tuple(_scan(patient) for patient, _ in EXAMPLES)


def _scan(patient: int) -> Upload:
    images = make_scan(patient, shape=SHAPE, spacing_mm=SPACING_MM).image
    numbers = tuple(range(1, len(images) + 1))
    names = tuple(f"slice {number}" for number in numbers)
    return Upload(f"phantom {patient}, whole scan", tuple(images), names, numbers, True, Grid(None, SPACING_MM))


@cache
def example_slices() -> tuple[Upload, ...]:
    """One slice of each of those scans."""
    chosen = zip(example_scans(), EXAMPLES, strict=True)
    return tuple(_slice(scan, patient, position) for scan, (patient, position) in chosen)


def _slice(scan: Upload, patient: int, position: int) -> Upload:
    number = scan.numbers[position]
    title = f"phantom {patient}, slice {number}"
    return Upload(title, (scan.slices[position],), (title,), (number,), grid=Grid(None, SPACING_MM))


@cache
def examples() -> dict[str, Upload]:
    """What the page offers, by title: those slices, and one whole scan."""
    slices = {f"Slice {number}": upload for number, upload in enumerate(example_slices(), 1)}
    return slices | {"Scan": example_scans()[0]}
