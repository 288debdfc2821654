"""The same scores by other people's code: scipy's distance transform, MONAI, DeepMind's surface-distance, and brute force."""

import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from core.data.masks import decode_rle, merge_organs
from core.labels import ORGANS
from core.metrics.scan_scores import ScanScores, score_pair
from core.metrics.volume_pair import VolumePair

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data"
RUN_LENGTHS = SAMPLES / "uwm-rle-22-case-days.csv"
EXAMPLES = int(os.environ.get("GUTCHECK_EXAMPLES", "60"))
"""Random volumes a property is tried on; the issue's 10,000 are run by hand."""
TOLERANCES = (1.5, 3.0)
Spacing = tuple[float, float, float]


def score_scan(
    *, reference: np.ndarray, prediction: np.ndarray, spacing_mm: Spacing | None, tolerances_mm: tuple[float, ...] = TOLERANCES
) -> ScanScores:
    """Our own scores."""
    return score_pair(VolumePair.of(reference=reference, prediction=prediction), spacing_mm, tolerances_mm)


@dataclass(frozen=True)
class Expected:
    """What another implementation makes of one organ, both masks not empty."""

    hd95: float
    mean: float
    nsd: tuple[float, ...]


def surface(mask: np.ndarray) -> np.ndarray:
    """Face-connected surface, as an erosion says it."""
    return mask & ~ndimage.binary_erosion(mask)


def _expected(there: np.ndarray, back: np.ndarray) -> Expected:
    both = np.concatenate([there, back])
    hd95 = max(float(np.percentile(each, 95)) for each in (there, back))
    return Expected(hd95, float(both.mean()), tuple(float((both <= tolerance).mean()) for tolerance in TOLERANCES))


def cropped(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both masks in the smallest box around them, with a margin of one voxel; distances in it are the same."""
    box = (ndimage.find_objects((a | b).astype(np.uint8)) or [(slice(None),) * 3])[0]
    return np.pad(a[box], 1), np.pad(b[box], 1)


def by_scipy(a: np.ndarray, b: np.ndarray, spacing: Spacing) -> Expected:
    """scipy's exact Euclidean distance transform, 64 bits, on the box around both masks."""
    a, b = (surface(each) for each in cropped(a, b))
    return _expected(
        ndimage.distance_transform_edt(~b, sampling=spacing)[a], ndimage.distance_transform_edt(~a, sampling=spacing)[b]
    )


def by_pairs(a: np.ndarray, b: np.ndarray, spacing: Spacing) -> Expected:
    """Every surface voxel against every other; for small volumes."""
    ours, theirs = (np.argwhere(surface(np.pad(each, 1))) * np.array(spacing) for each in (a, b))
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(axis=2))
    return _expected(distances.min(axis=1), distances.min(axis=0))


def by_monai(a: np.ndarray, b: np.ndarray, spacing: Spacing) -> Expected:
    """MONAI's public functions, 32 bits, on the box around both masks; NSD counted in voxels (``use_subvoxels=False``)."""
    import torch

    a, b = cropped(a, b)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

        reference, prediction = (torch.from_numpy(each)[None, None] for each in (a, b))
        hd95 = compute_hausdorff_distance(prediction, reference, include_background=True, percentile=95, spacing=spacing)
        mean = compute_average_surface_distance(prediction, reference, include_background=True, symmetric=True, spacing=spacing)
        nsd = [
            compute_surface_dice(prediction, reference, [tolerance], include_background=True, spacing=spacing)
            for tolerance in TOLERANCES
        ]
    return Expected(float(hd95), float(mean), tuple(float(each) for each in nsd))


def by_deepmind(a: np.ndarray, b: np.ndarray, spacing: Spacing) -> Expected:
    """DeepMind's package: surface elements between voxels, weighted by their area; the mean is that of both directions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import surface_distance as deepmind

        found = deepmind.compute_surface_distances(a, b, spacing)
    return Expected(
        float(deepmind.compute_robust_hausdorff(found, 95)),
        float(np.mean(deepmind.compute_average_surface_distance(found))),
        tuple(float(deepmind.compute_surface_dice_at_tolerance(found, tolerance)) for tolerance in TOLERANCES),
    )


def dice_and_iou_by_torchmetrics(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """torchmetrics' Dice and IoU of one organ."""
    import torch
    from torchmetrics.functional.classification import binary_jaccard_index
    from torchmetrics.functional.segmentation import dice_score

    pair = [torch.from_numpy(each)[None, None].int() for each in (b, a)]
    dice = dice_score(*pair, num_classes=1, include_background=True, average="none")
    return float(dice), float(binary_jaccard_index(pair[0], pair[1]))


# Real shapes, and what is done to them


def real_scans(limit: int | None = None) -> dict[str, np.ndarray]:
    """Label volumes of the real scans, in the order of the table; the smaller organ has contested pixels."""
    import csv

    slices: dict[str, dict[int, dict[str, tuple[str, tuple[int, int]]]]] = {}
    with RUN_LENGTHS.open(newline="") as file:
        for row in csv.DictReader(file):
            scan, number = row["id"].rsplit("_slice_", 1)
            if limit and scan not in slices and len(slices) == limit:
                break
            width, height = map(int, row["image_path"].rsplit("/", 1)[1].split("_")[2:4])
            slices.setdefault(scan, {}).setdefault(int(number), {})[row["class"]] = row["segmentation"], (height, width)
    return {scan: np.stack([_label_map(found[number]) for number in sorted(found)]) for scan, found in slices.items()}


def _label_map(organs: dict[str, tuple[str, tuple[int, int]]]) -> np.ndarray:
    return merge_organs({organ.id: decode_rle(*organs[organ.name]) for organ in ORGANS})[0]


def dilated(volume: np.ndarray) -> np.ndarray:
    """Every organ two voxels larger, the lower class first."""
    grown = volume.copy()
    for organ in ORGANS:
        grown[ndimage.binary_dilation(volume == organ.id, iterations=2) & (grown == 0)] = organ.id
    return grown


def shifted(volume: np.ndarray) -> np.ndarray:
    """One slice, three rows and two columns away."""
    return np.roll(volume, (1, 3, -2), axis=(0, 1, 2))


def without_stomach(volume: np.ndarray) -> np.ndarray:
    """The stomach missed."""
    return np.where(volume == 1, 0, volume).astype(np.uint8)


def with_island(volume: np.ndarray) -> np.ndarray:
    """A block of small bowel far from everything."""
    made = volume.copy()
    made[volume.shape[0] // 2 : volume.shape[0] // 2 + 4, 10:22, 10:22] = 2
    return made


PERTURBATIONS = (dilated, shifted, without_stomach, with_island)


def same(ours: float, theirs: float) -> float:
    """How far two values are apart; 0 where both are undefined."""
    return 0.0 if math.isnan(ours) and math.isnan(theirs) else abs(ours - theirs)
