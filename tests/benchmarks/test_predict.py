"""Prediction on a CPU: torch eager beside ONNX Runtime in one run, in turns, and a whole scan of 144 slices.

``make bench`` measures a b0 at 288 pixels with the weights of the embedded demo, on a phantom.
"""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession, SessionOptions

from core.config import InferenceConfig, InputRecipe, PhantomConfig, SplitConfig
from core.data.images import read_image
from core.data.index import load_index
from core.data.prepare.phantoms import prepare_phantom
from core.model.folder import ONNX
from core.model.onnx_engine import INPUT
from core.model.onnx_export import export_onnx, sample_planes
from core.model.predictor import Predictor
from core.model.segformer import load_model, save_model
from core.storage.workspace import CARRIED_RUN

REAL = Path(__file__).parents[3] / "shared" / "data" / "uwm-pairs" / "images"
SLICES, TURNS, THREADS = 144, 3, 2
CPU = InferenceConfig(device="cpu", threads=THREADS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "model"
    network, _ = load_model(Path(shutil.copytree(CARRIED_RUN / "model", folder)))
    save_model(network, folder, InputRecipe(image_size=288))
    started = time.perf_counter()
    export_onnx(folder)
    print(f"\nexport: {time.perf_counter() - started:.1f} s, {(folder / ONNX).stat().st_size / 1e6:.1f} MB")
    return folder


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    root = tmp_path_factory.mktemp("bench") / "phantoms"
    prepare_phantom(
        root,
        config=PhantomConfig(patients=2, slices=SLICES, size=266),
        split=SplitConfig(valid_fraction=0.5),
        progress=lambda *_: None,
    )
    return load_index(root).scans("valid")[0].read_image()


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@pytest.mark.benchmark
def test_torch_beside_onnx_runtime(model: Path, volume: np.ndarray) -> None:
    torch.set_num_threads(THREADS)
    engines = {name: Predictor.load(model, replace(CPU, engine=name)) for name in ("torch", "onnx")}
    part = volume[64:72]
    for predictor in engines.values():
        predictor.predict_scan(part)
    spent: dict[str, list[float]] = {name: [] for name in engines}
    alone: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(TURNS):
        for name, predictor in engines.items():
            spent[name].append(seconds(lambda it=predictor: it.predict_scan(part)) / len(part))
            alone[name].append(seconds(lambda it=predictor: [it.predict_slice(each) for each in part]) / len(part))
    for name in engines:
        print(f"{name}: {1e3 * np.median(spent[name]):.0f} ms a slice in batches, {1e3 * np.median(alone[name]):.0f} one by one")
    ratios = [np.median(found["torch"]) / np.median(found["onnx"]) for found in (spent, alone)]
    print(f"torch over onnx: {ratios[0]:.1f} in batches, {ratios[1]:.1f} one by one")
    scan_s = [seconds(lambda: engines["onnx"].predict_scan(volume)) for _ in range(TURNS)]
    print(f"scan of {SLICES} slices: {np.median(scan_s):.1f} s ({min(scan_s):.1f} to {max(scan_s):.1f}), {THREADS} threads")
    compare(engines, volume, "phantom")
    assert ratios[0] > 1


def compare(engines: dict[str, Predictor], volume: np.ndarray, what: str) -> None:
    ours, theirs = (engines[name].predict_scan(volume).labels for name in ("onnx", "torch"))
    print(f"{what}: {(ours != theirs).sum()} pixels of another class, of {ours.size:,} ({np.count_nonzero(theirs):,} of organs)")
    assert (ours != theirs).mean() < 1e-5


@pytest.mark.benchmark
@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real samples are not here: {REAL}")
@pytest.mark.parametrize("scan", ["case16_day0", "case102_day0"])
def test_the_same_classes_as_torch_on_real_slices(model: Path, scan: str) -> None:
    engines = {name: Predictor.load(model, replace(CPU, engine=name)) for name in ("torch", "onnx")}
    real = np.stack([read_image(path) for path in sorted(REAL.glob(f"{scan}_*.png"))])
    assert len(real) == SLICES
    print(f"\n{scan}: {sum(plane.min() == plane.max() for plane in real)} empty slices of {SLICES}")
    compare(engines, real, scan)


@pytest.mark.benchmark
def test_a_slice_for_each_thread(model: Path, volume: np.ndarray) -> None:
    """Two threads, in turns: both on one slice, and each on its own. The processor's time does not depend on the neighbours."""
    divided, alone = (Predictor.load(model, replace(CPU, engine="onnx")) for _ in range(2))
    divided.engine._path = None
    part = volume[64:96]
    found: dict[str, list[tuple[float, float]]] = {"divided": [], "a slice each": []}
    for _ in range(TURNS + 1):
        for name, predictor in zip(found, (divided, alone), strict=True):
            before = time.process_time()
            wall = seconds(lambda it=predictor: it.predict_scan(part)) / len(part)
            found[name].append((wall, (time.process_time() - before) / len(part)))
    assert (divided.engine.lanes, alone.engine.lanes) == (1, THREADS)
    print()
    for name, times in found.items():
        wall, cpu = np.median(times[1:], axis=0) * 1e3
        print(f"{name}: {wall:.0f} ms a slice, {cpu:.0f} ms of processor")
    ratio = np.median(found["divided"][1:], axis=0) / np.median(found["a slice each"][1:], axis=0)
    print(f"divided over a slice each: ×{ratio[0]:.2f}, processor ×{ratio[1]:.2f}")


@pytest.mark.benchmark
def test_the_network_alone(model: Path) -> None:
    """CPU seconds of one thread, which others on the machine disturb least."""
    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession((model / ONNX).read_bytes(), options, providers=["CPUExecutionProvider"])
    planes = sample_planes(InputRecipe(image_size=288))
    session.run(None, {INPUT: planes})
    started = time.process_time()
    for _ in range(TURNS):
        session.run(None, {INPUT: planes})
    print(f"\nONNX Runtime, one thread: {(time.process_time() - started) / TURNS / len(planes) * 1e3:.0f} CPU ms a slice")
