"""The surface scores on real shapes: agreement with others' code, speed beside theirs in one run, and the whole public set.

Run by `make bench`. The figures are printed; what is asserted is agreement and the aims for speed.
"""

import hashlib
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.data.masks import write_label_volume
from core.labels import ORGANS
from core.metrics.overlap import Overlap
from core.metrics.scan_scores import ScanScores
from tests.core.metrics.references import (
    PERTURBATIONS,
    RUN_LENGTHS,
    TOLERANCES,
    Expected,
    by_deepmind,
    by_monai,
    by_scipy,
    dice_and_iou_by_torchmetrics,
    dilated,
    real_scans,
    same,
    score_scan,
    shifted,
)

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(not RUN_LENGTHS.is_file(), reason=f"the real samples are not here: {RUN_LENGTHS}"),
]
MM = (3.0, 1.5, 1.5)
ROOT = Path(__file__).parents[2]
PUBLIC_SCANS = 274
Volumes = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def scans() -> Volumes:
    return real_scans()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


# Agreement


class Differences:
    """The largest difference per score and implementation."""

    def __init__(self) -> None:
        self.largest: dict[tuple[str, str], float] = defaultdict(float)
        self.compared: dict[str, int] = defaultdict(int)

    def note(self, by: str, score: str, ours: float, theirs: float) -> None:
        key = by, score
        self.largest[key] = max(self.largest[key], same(ours, theirs))

    def note_surface(self, by: str, ours, theirs: Expected) -> None:
        self.compared[by] += 1
        self.note(by, "hd95_mm", ours.hd95_mm, theirs.hd95)
        self.note(by, "mean_surface_distance_mm", ours.mean_surface_distance_mm, theirs.mean)
        for tolerance, mine, other in zip(TOLERANCES, ours.nsd, theirs.nsd, strict=True):
            self.note(by, f"nsd_{tolerance:g}mm", mine, other)

    def print(self) -> None:
        for by, count in self.compared.items():
            print(f"\n{by}: {count} organs compared")
            for (name, score), largest in self.largest.items():
                if name == by:
                    print(f"  {score:26s} largest difference {largest:.3g}")


def test_agreement_on_the_real_scans(scans: Volumes) -> None:
    """scipy on every scan and perturbation; the slower ones on every scan with one perturbation, taken in turn."""
    found = Differences()
    for number, reference in enumerate(scans.values()):
        for turn, perturb in enumerate(PERTURBATIONS):
            prediction = perturb(reference)
            scores = score_scan(reference=reference, prediction=prediction, spacing_mm=MM)
            for organ in ORGANS:
                a, b, ours = reference == organ.id, prediction == organ.id, scores.organs[organ.name]
                if a.any() and b.any():
                    found.note_surface("scipy", ours.surface, by_scipy(a, b, MM))
                    if turn == number % len(PERTURBATIONS):
                        found.note_surface("MONAI", ours.surface, by_monai(a, b, MM))
                        found.note_surface("DeepMind (another convention)", ours.surface, by_deepmind(a, b, MM))
                        _note_overlap(found, ours.overlap, a, b)
    found.print()
    exact = {score: value for (by, score), value in found.largest.items() if by == "scipy"}
    single = {score: value for (by, score), value in found.largest.items() if by in ("MONAI", "torchmetrics")}
    assert max(exact.values()) <= 1e-9
    assert max(single.values()) <= 1e-4


def _note_overlap(found: Differences, ours: Overlap, a: np.ndarray, b: np.ndarray) -> None:
    found.compared["torchmetrics"] += 1
    dice, iou = dice_and_iou_by_torchmetrics(a, b)
    found.note("torchmetrics", "dice", ours.dice, dice)
    found.note("torchmetrics", "iou", ours.iou, iou)


# Speed


def best_s(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def every_organ(by: Callable[..., Expected], reference: np.ndarray, prediction: np.ndarray) -> None:
    for organ in ORGANS:
        by(reference == organ.id, prediction == organ.id, MM)


def monai_scores(reference: np.ndarray, prediction: np.ndarray) -> None:
    """Dice, IoU, HD95, mean surface distance and NSD at both tolerances, one call each for all organs."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.metrics import (
            compute_average_surface_distance,
            compute_dice,
            compute_hausdorff_distance,
            compute_iou,
            compute_surface_dice,
        )

        a, b = (torch.from_numpy(np.stack([volume == each for each in range(4)]))[None] for volume in (reference, prediction))
        compute_dice(b, a, include_background=False)
        compute_iou(b, a, include_background=False)
        compute_hausdorff_distance(b, a, percentile=95, spacing=MM)
        compute_average_surface_distance(b, a, symmetric=True, spacing=MM)
        for tolerance in TOLERANCES:
            compute_surface_dice(b, a, [tolerance] * 3, spacing=MM)


@pytest.mark.parametrize("perturb", [shifted, dilated], ids=lambda each: each.__name__)
def test_speed_beside_the_others(scans: Volumes, perturb: Callable[[np.ndarray], np.ndarray]) -> None:
    """One scan of 144×266×266 with three organs, one thread, all in one run."""
    reference = scans["case20_day0"]
    prediction = perturb(reference)
    assert reference.shape == (144, 266, 266)
    score_scan(reference=reference, prediction=prediction, spacing_mm=MM)
    ours = best_s(lambda: score_scan(reference=reference, prediction=prediction, spacing_mm=MM), 15)
    others = {
        "scipy on the cropped box": best_s(lambda: every_organ(by_scipy, reference, prediction), 2),
        "DeepMind surface-distance": best_s(lambda: every_organ(by_deepmind, reference, prediction), 2),
        "MONAI's public functions": best_s(lambda: monai_scores(reference, prediction), 1),
    }
    print(f"\n{perturb.__name__}: ours {ours * 1e3:.1f} ms a scan")
    for name, seconds in others.items():
        print(f"  {name:28s} {seconds:7.2f} s  ×{seconds / ours:.0f}")


def test_two_threads_beside_one(scans: Volumes) -> None:
    """Scans in memory, in turns in one run. Hashing, which holds no lock either, tells what a second thread can gain here."""
    work = [(name, volume, shifted(volume)) for name, volume in list(scans.items())[:8]]
    block = bytes(30_000_000)

    def hashes(workers: int) -> list[object]:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(hashlib.sha256, [block] * 8))

    def scores(workers: int) -> list[tuple[str, ScanScores]]:
        with ThreadPoolExecutor(workers) as pool:
            done = pool.map(lambda one: score_scan(reference=one[1], prediction=one[2], spacing_mm=MM), work)
            return [(name, found) for (name, *_), found in zip(work, done, strict=True)]

    kinds = {"scores": scores, "hashing": hashes}
    spent: dict[tuple[str, int], list[float]] = {(kind, workers): [] for kind in kinds for workers in (1, 2)}
    for _ in range(5):
        for (kind, workers), times in spent.items():
            times.append(best_s(lambda run=kinds[kind], count=workers: run(count), 1))
    print()
    for kind in kinds:
        one, two = (float(np.median(spent[kind, workers][1:])) / len(work) * 1e3 for workers in (1, 2))
        print(f"{kind}: {one:.0f} ms each on one thread, {two:.0f} on two: ×{one / two:.2f}")
    first, second = scores(1), scores(2)
    # As text, in which one NaN is as another.
    assert [(name, repr(scores.organs)) for name, scores in first] == [(name, repr(scores.organs)) for name, scores in second]


WHOLE_SET = """
import sys, time
from itertools import cycle, islice
from pathlib import Path
import numpy as np
from core.data.masks import read_label_volume
from core.metrics.scan_scores import score_pair
from core.metrics.volume_pair import VolumePair

MM = (3.0, 1.5, 1.5)
folder, count = Path(sys.argv[1]), int(sys.argv[2])
small = np.ones((2, 8, 8), np.uint8)
score_pair(VolumePair.of(reference=small, prediction=small), MM)

def peak_mb():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

def scans():
    for path in islice(cycle(sorted((folder / "reference").iterdir())), count):
        yield read_label_volume(path), read_label_volume(folder / "prediction" / path.name)

before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
done = [score_pair(VolumePair.of(reference=reference, prediction=prediction), MM) for reference, prediction in scans()]
print(len(done), time.perf_counter() - wall, time.process_time() - cpu, before, peak_mb())
"""


def test_the_whole_public_set(scans: Volumes, tmp_path: Path) -> None:
    """274 scans made of the 22 real ones and their perturbations: unpacked and scored; peak memory of the process.

    On a machine that does other things too, the processor's time is the one to trust.
    """
    for number, (name, reference) in enumerate(scans.items()):
        write_label_volume(tmp_path / "reference" / name, reference)
        write_label_volume(tmp_path / "prediction" / name, PERTURBATIONS[number % len(PERTURBATIONS)](reference))
    words = [sys.executable, "-c", WHOLE_SET, str(tmp_path), str(PUBLIC_SCANS)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    count, wall, cpu, before, peak = (float(word) for word in done.stdout.split())
    print(f"\n{count:.0f} scans, unpacking included: {wall:.1f} s, {wall / count * 1e3:.0f} ms a scan;")
    print(f"  processor {cpu:.1f} s, {cpu / count * 1e3:.0f} ms a scan")
    print(f"  peak memory {peak:.0f} MB, {before:.0f} MB of it before the first scan")
    assert count == PUBLIC_SCANS
