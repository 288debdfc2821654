"""Dividing patients between training and validation, so that no patient is in both."""

import random
from itertools import pairwise

from core.config import SplitConfig
from core.data.index import MAX_NAMED, natural_key
from core.errors import DatasetError


def split_patients(annotated_slices: dict[str, int], config: SplitConfig) -> frozenset[str]:
    """Draw the validation patients, stratified by how many slices with an organ each patient brings.

    The patients are ordered by that count and cut into as many consecutive groups as patients are to be drawn; one is
    drawn from each group. So both sides have patients with whole scans and patients with a few slices.

    Args:
        annotated_slices: number of slices with an organ, by patient.

    Raises:
        DatasetError: fewer than two patients, or a patient to hold out that is not there or leaves none to train on.
    """
    patients = sorted(annotated_slices, key=lambda p: (-annotated_slices[p], natural_key(p)))
    if len(patients) < 2:
        what = "A split by patient needs two patients or more, but there is one" if patients else "There are no patients"
        raise DatasetError(what, value=patients[0] if patients else None, todo="add slices of another patient")
    if config.valid_patients:
        return _chosen(config.valid_patients, patients)
    count = min(max(round(config.valid_fraction * len(patients)), 1), len(patients) - 1)
    draw = random.Random(config.seed)
    bounds = [round(i * len(patients) / count) for i in range(count + 1)]
    return frozenset(draw.choice(patients[low:high]) for low, high in pairwise(bounds))


def _chosen(wanted: tuple[str, ...], patients: list[str]) -> frozenset[str]:
    unknown = sorted(set(wanted) - set(patients))
    if unknown:
        have = ", ".join(sorted(patients, key=natural_key)[:MAX_NAMED])
        raise DatasetError("No slice belongs to this patient", value=", ".join(unknown), todo=f"use patients such as {have}")
    if set(wanted) == set(patients):
        raise DatasetError("No patient is left to train on", value=", ".join(wanted), todo="hold out fewer patients")
    return frozenset(wanted)


def describe_split(config: SplitConfig) -> str:
    """How the patients are divided, in the words that ``dataset.json`` keeps."""
    if config.valid_patients:
        return f"by patient, held out {', '.join(config.valid_patients)}"
    return f"by patient, {config.valid_fraction:.0%} for validation, seed {config.seed}"
