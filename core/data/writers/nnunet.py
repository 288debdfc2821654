"""nnU-Net's layout: ``imagesTr/SCAN_0000.nii.gz``, ``labelsTr/SCAN.nii.gz`` and ``dataset.json``."""

import json

from core.data.volume import LabelVolume, Volume
from core.data.writers.nifti import nifti_bytes
from core.labels import CLASSES

DATASET = "dataset.json"


def case_files(scan: str, image: Volume, labels: LabelVolume) -> dict[str, bytes]:
    """A case's files by their paths in the data set's folder."""
    return {f"imagesTr/{scan}_0000.nii.gz": nifti_bytes(image), f"labelsTr/{scan}.nii.gz": nifti_bytes(labels)}


def dataset_json(name: str, cases: int) -> bytes:
    """``dataset.json`` as nnU-Net's second version reads it.

    Args:
        cases: how many were written.
    """
    content = {
        "name": name,
        "channel_names": {"0": "MRI"},
        "labels": {each.name: each.id for each in CLASSES},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    return (json.dumps(content, indent=2) + "\n").encode()
