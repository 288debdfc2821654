"""The examples in docstrings of public functions print what they say."""

import doctest
from importlib import import_module

import pytest

from core.storage import workspace


@pytest.mark.parametrize(
    "name",
    [
        "core.data.grid", "core.data.identity", "core.data.index", "core.metrics.overlap", "core.metrics.scan_scores",
        "core.metrics.surface", "core.model.predictor", "core.runs.registry",
    ],
)  # fmt: skip
def test_examples(name: str) -> None:
    done = doctest.testmod(import_module(name), extraglobs={"model_folder": workspace.model_folder})
    assert done.attempted
    assert not done.failed
