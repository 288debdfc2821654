"""Loose pictures of one scan are shown to a model with context together with their neighbours."""

from pathlib import Path

import numpy as np
import pytest

from core.config import DatasetConfig, InferenceConfig
from core.data.images import read_image, write_png
from training.pictures import check_pictures, find_pictures, predict_pictures


class Recorder:
    """Stands in for a predictor and keeps what it is shown, by the first pixel's value."""

    def __init__(self, stride: int) -> None:
        self.recipe, self.config = DatasetConfig(image_size=64, context_stride=stride), InferenceConfig()
        self.shown: list[tuple[int, ...]] = []

    def predict_slice(self, image: np.ndarray, window: object, *, between: tuple[np.ndarray, np.ndarray] | None):
        channels = (image,) if between is None else (between[0], image, between[1])
        self.shown.append(tuple(int(channel[0, 0]) for channel in channels))
        return np.zeros(image.shape, np.uint8), np.zeros(image.shape, np.uint8)


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
    out.mkdir()
    results = list(predict_pictures(check_pictures(find_pictures(folder)), recorder, out))  # type: ignore[arg-type]
    assert set(recorder.shown) == expected
    assert {Path(each["input"]).stem for each in results} == {path.stem for path in folder.iterdir()}
    assert read_image(out / "alone_mask.png").shape == (20, 20)
