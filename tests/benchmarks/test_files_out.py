"""Writing and reading label maps of real scans in each kind of DICOM file and NIfTI: times, sizes, and that nothing changes.

Run by `make bench`; with plastimatch, how it fills the structure sets too.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from core.data.grid import Grid
from core.data.readers.dicom_seg import read_seg
from core.data.readers.rtstruct import read_rtstruct
from core.data.volume import LabelVolume
from core.data.writers.dicom_context import DicomContext, Made, invented_source, pseudonymous
from core.data.writers.dicom_seg import seg_bytes
from core.data.writers.nifti import nifti_bytes
from core.data.writers.rtstruct import rtstruct_bytes
from core.labels import ORGANS
from tests.core.data.writers.series import write_series
from tests.core.metrics.references import RUN_LENGTHS, real_scans

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(not RUN_LENGTHS.is_file(), reason=f"the real samples are not here: {RUN_LENGTHS}"),
]
GRID = Grid.of(np.array([[0, 0, 1.5, -200], [0, 1.5, 0, -150], [-3.0, 0, 0, 300], [0, 0, 0, 1]]))
READ_S = 1.0
"""A structure set of 144 slices is read in less."""


class Measured(NamedTuple):
    kind: str
    written_s: float
    read_s: float
    mb: float


def measure(volume: LabelVolume, path: Path) -> list[Measured]:
    """Write and read one scan in each kind of file."""
    source = invented_source("x", len(volume.labels))
    context = DicomContext(source, pseudonymous(source, "case7"), Made("AUTOMATIC", "run", "1"))
    ways: dict[str, tuple[Callable[[], bytes], Callable[[], LabelVolume] | None]] = {
        "segmentation": (lambda: seg_bytes(volume, context, "BINARY"), lambda: read_seg(path)),
        "label map": (lambda: seg_bytes(volume, context, "LABELMAP"), lambda: read_seg(path)),
        "structure set": (lambda: rtstruct_bytes(volume, context), lambda: read_rtstruct(path, volume.grid, volume.shape)),
        "NIfTI": (lambda: nifti_bytes(volume), None),
    }
    found = []
    for kind, (write, read) in ways.items():
        begun = time.perf_counter()
        content = write()
        written = time.perf_counter()
        path.write_bytes(content)
        start = time.perf_counter()
        if read is not None:
            assert np.array_equal(read().labels, volume.labels)
        found.append(Measured(kind, written - begun, time.perf_counter() - start, len(content) / 1e6))
    return found


def test_times_and_sizes(tmp_path: Path) -> None:
    scans = {name: labels for name, labels in real_scans().items() if labels.shape == (144, 266, 266)}
    rows = [row for labels in scans.values() for row in measure(LabelVolume(labels, GRID), tmp_path / "x.dcm")]
    print(f"\n{len(scans)} scans of 144×266×266, median and slowest:")
    for kind in dict.fromkeys(row.kind for row in rows):
        numbers = np.array([row[1:] for row in rows if row.kind == kind])
        middle, most = np.median(numbers, axis=0), numbers.max(axis=0)
        print(f"{kind:14} written {middle[0]:.2f} ({most[0]:.2f}) s, read {middle[1]:.2f} ({most[1]:.2f}) s, {middle[2]:.2f} MB")
        assert kind != "structure set" or middle[1] <= READ_S


@pytest.mark.skipif(shutil.which("plastimatch") is None, reason="plastimatch is not installed")
def test_plastimatch_fills_structure_sets_of_real_scans(tmp_path: Path) -> None:
    for name, labels in list(real_scans().items())[::6]:
        folder = tmp_path / name
        source = write_series(folder / "series", np.zeros(labels.shape, np.uint16), GRID)
        context = DicomContext(source, pseudonymous(source, "case7"), Made("AUTOMATIC", "run", "1"))
        (folder / "x.dcm").write_bytes(rtstruct_bytes(LabelVolume(labels, GRID), context))
        words = ["plastimatch", "convert", "--input", "x.dcm", "--referenced-ct", "series", "--output-prefix", "out"]
        subprocess.run([*words, "--prefix-format", "nii.gz"], cwd=folder, capture_output=True, check=True, timeout=120)
        for organ in ORGANS:
            ours = labels == organ.id
            if not ours.any():
                continue
            image = sitk.DICOMOrient(sitk.ReadImage(str(folder / "out" / f"{organ.tg263}.nii.gz")), "LPI")
            theirs = sitk.GetArrayFromImage(image) > 0
            dice = 2 * (theirs & ours).sum() / (theirs.sum() + ours.sum())
            islands = [sum(ndimage.label(plane)[1] for plane in part) for part in (ours, theirs)]
            holes = [sum(ndimage.label(~np.pad(p, 1), np.ones((3, 3)))[1] - 1 for p in part) for part in (ours, theirs)]
            print(f"{name} {organ.name}: Dice {dice:.4f}, islands {islands}, holes {holes}")
            assert dice >= 0.99
            assert islands[0] == islands[1]
            assert holes[0] == holes[1]
