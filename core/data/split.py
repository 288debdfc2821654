"""Dividing a data set between training and validation: by patient, or as the course does, by slice."""

import random
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise

from core.config import SplitConfig
from core.data.identity import MAX_NAMED, natural_key
from core.errors import DatasetError


def held_out(patient_of: Mapping[str, str], annotated_slices: dict[str, int], config: SplitConfig) -> frozenset[str]:
    """The slices to validate on, by their stems.

    Args:
        patient_of: patient by stem, for every slice.
        annotated_slices: number of slices with an organ, by patient.

    Raises:
        DatasetError: see `split_patients`; or by slice, no patient has two slices.
    """
    if config.split_by == "slice":
        return _shuffled(patient_of, config)
    valid = split_patients(annotated_slices, config)
    return frozenset(stem for stem, patient in patient_of.items() if patient in valid)


def _shuffled(patient_of: Mapping[str, str], config: SplitConfig) -> frozenset[str]:
    # As the course's copy was made: each patient's slices shuffled and cut, so that neighbours come on both sides.
    slices: dict[str, list[str]] = defaultdict(list)
    for stem, patient in patient_of.items():
        slices[patient].append(stem)
    valid: set[str] = set()
    for patient in sorted(slices, key=natural_key):
        stems = sorted(slices[patient], key=natural_key)
        # A generator of its own each: another patient's slices change nothing for this one.
        random.Random(f"{config.seed} {patient}").shuffle(stems)
        valid |= set(stems[: round(config.valid_fraction * len(stems))])
    if not valid or (len(valid) == len(patient_of) and config.valid_fraction < 1):
        todo = "add slices, or change --valid_fraction"
        raise DatasetError("One side of the split would have no slices", value=f"{len(patient_of)} slices", todo=todo)
    return frozenset(valid)


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
    if patients and config.valid_fraction == 1 and not config.valid_patients:
        return frozenset(patients)
    if len(patients) < 2:
        what = "A split by patient needs two patients or more, but there is one" if patients else "There are no patients"
        todo = "add slices of another patient, or hold all out to evaluate on: --valid_fraction 1"
        raise DatasetError(what, value=patients[0] if patients else None, todo=todo)
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
    """How the data set is divided, in the words that ``dataset.json`` keeps."""
    if config.valid_fraction == 1 and not config.valid_patients:
        return "all held out, to evaluate on"
    if config.split_by == "slice":
        share = f"{config.valid_fraction:.0%} for validation, seed {config.seed}"
        return f"by slice, shuffled inside each patient as the course does, {share}: patients are on both sides"
    if config.valid_patients:
        return f"by patient, held out {', '.join(config.valid_patients)}"
    return f"by patient, {config.valid_fraction:.0%} for validation, seed {config.seed}"
