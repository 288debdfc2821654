"""Loose pictures of one scan are shown to a model with context together with their neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import InferenceConfig, InputRecipe, InputWindow
from core.data.images import FULL_8BIT, Window, read_image, volume_window, write_png
from core.storage.partial import PartialOutput
from training.commands.inputs import open_inputs
from training.commands.pictures import predict_pictures


class Recorder:
    """Stands in for a predictor and keeps what it is shown, by the first pixel's value."""

    def __init__(self, stride: int = 0, window: InputWindow = "none") -> None:
        self.recipe = InputRecipe(image_size=64, context_stride=stride, window=window)
        self.config = InferenceConfig()
        self.shown: list[tuple[int, ...]] = []
        self.windows: dict[int, Window] = {}

    def predict_slice(self, image: np.ndarray, window: Window, *, between: tuple[np.ndarray, np.ndarray] | None):
        self.windows[int(image[0, 0])] = window
        channels = (image,) if between is None else (between[0], image, between[1])
        self.shown.append(tuple(int(channel[0, 0]) for channel in channels))
        return np.zeros(image.shape, np.uint8), np.zeros(image.shape, np.uint8)


def outlined(folder: Path, recorder: Recorder, out: Path) -> list[dict[str, Any]]:
    out.mkdir()
    with open_inputs(folder) as inputs:
        return list(predict_pictures(inputs.pictures, recorder, PartialOutput(out)))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Slices 2, 9, 10 and 11 of a scan, the last of another size, and a picture of its own; values are the numbers."""
    made = tmp_path / "in"
    made.mkdir()
    for name, value, side in (
        ("case1_day0_slice_2", 2, 20),
        ("case1_day0_slice_9", 9, 20),
        ("case1_day0_slice_10", 10, 20),
        ("case1_day0_slice_11", 11, 24),
        ("alone", 99, 20),
    ):
        write_png(made / f"{name}.png", np.full((side, side), value, np.uint8))
    return made


@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        (0, {(2,), (9,), (10,), (11,), (99,)}),
        # 11 is of another size than 10, so 10 stands in for it; and the other way round.
        (1, {(2, 2, 2), (9, 9, 10), (9, 10, 10), (11, 11, 11), (99, 99, 99)}),
    ],
)
def test_neighbours_are_found_by_number(folder: Path, tmp_path: Path, stride: int, expected: set[tuple[int, ...]]):
    recorder, out = Recorder(stride), tmp_path / "out"
    results = outlined(folder, recorder, out)
    assert set(recorder.shown) == expected
    assert {Path(each["input"]).stem for each in results} == {path.stem for path in folder.iterdir()}
    assert read_image(out / "alone_mask.png").shape == (20, 20)


def test_one_window_a_scan_where_the_model_wants_it(folder: Path, tmp_path: Path):
    """Percentiles of all pictures of a scan, whatever their size; a picture of its own has its own."""
    scan = np.concatenate([read_image(folder / f"case1_day0_slice_{number}.png").ravel() for number in (2, 9, 10, 11)])
    alone = read_image(folder / "alone.png")
    assert volume_window(scan) != FULL_8BIT
    for kind, wanted in (("none", (FULL_8BIT, FULL_8BIT)), ("scan", (volume_window(scan), volume_window(alone)))):
        recorder = Recorder(window=kind)
        assert len(outlined(folder, recorder, tmp_path / kind)) == 5
        assert recorder.windows == dict.fromkeys((2, 9, 10, 11), wanted[0]) | {99: wanted[1]}


@pytest.mark.parametrize("kind", ["none", "scan"])
def test_deep_slices_of_a_scan_share_a_window(tmp_path: Path, kind: InputWindow):
    """Whatever the recipe says; pictures of another depth under the same name have one of their own."""
    for number, pixels in ((1, np.uint16(1_000)), (2, np.uint16(30_000)), (3, np.uint8(3))):
        write_png(tmp_path / f"case1_day0_slice_{number}.png", np.full((20, 20), pixels))
    recorder = Recorder(window=kind)
    assert len(outlined(tmp_path, recorder, tmp_path / "out")) == 3
    alone = Window(3, 4) if kind == "scan" else FULL_8BIT
    assert recorder.windows == {1_000: Window(1_000, 30_000), 30_000: Window(1_000, 30_000), 3: alone}
