"""A small MR series as DICOM files, as a scanner would write it, and where voxels lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset

from core.data.grid import Grid
from core.data.volume import DicomSource
from core.data.writers.dicom_context import MR_IMAGE, slice_geometry, uid_of

PATIENT = "HOSPITAL-4711"


def write_series(folder: Path, pixels: NDArray[Any], grid: Grid, *, seed: str = "series") -> DicomSource:
    """Write a file a slice, (Z, H, W) on a grid at right angles, and say which series it is."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = (uid_of(seed, what) for what in ("study", "series", "frame"))
    uids = tuple(uid_of(seed, str(z)) for z in range(len(pixels)))
    for z, (plane, place) in enumerate(zip(pixels, slice_geometry(grid, len(pixels)), strict=True)):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(MR_IMAGE), pydicom.uid.UID(uids[z])
        made = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)  # type: ignore[arg-type, unused-ignore]
        made.SOPClassUID, made.SOPInstanceUID = MR_IMAGE, uids[z]
        made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = study, series, frame
        made.PatientID, made.PatientName, made.PatientBirthDate, made.PatientSex = PATIENT, "Real^Name", "19500101", "F"
        made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "20200102", "101112", "7", "A7"
        made.ReferringPhysicianName, made.Modality, made.SeriesNumber, made.InstanceNumber = "", "MR", 1, z + 1
        made.PositionReferenceIndicator = ""
        made.ImagePositionPatient, made.ImageOrientationPatient = place.position, place.orientation
        made.PixelSpacing, made.SliceThickness, made.SpacingBetweenSlices = place.spacing, place.step, place.step
        made.Rows, made.Columns = plane.shape
        made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
        made.PixelData = plane.astype("<u2").tobytes()
        made.save_as(folder / f"{z:04d}.dcm", enforce_file_format=True)
    return DicomSource(study, series, frame, MR_IMAGE, uids, modality="MR")


def labelled_places(labels: NDArray[Any], matrix: NDArray[Any]) -> NDArray[np.float64]:
    """(n, 4): LPS mm and label of every labelled voxel and of the volume's corners, in an order of its own.

    Args:
        matrix: (4, 4), from the array's indices to LPS.
    """
    corners = np.array(np.meshgrid(*((0, side - 1) for side in labels.shape))).reshape(3, -1).T
    inside = np.argwhere(labels)
    voxels = np.concatenate([corners, inside])
    found = np.column_stack([voxels @ matrix[:3, :3].T + matrix[:3, 3], labels[tuple(voxels.T)]])
    found = np.round(found, 3) + 0.0
    return found[np.lexsort(found.T)]
