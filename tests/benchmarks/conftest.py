"""Benchmarks run only when asked for (``-m benchmark``, as ``make bench`` does): their figures need a quiet machine."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "benchmark" in str(config.option.markexpr):
        return
    mine = [item for item in items if item.get_closest_marker("benchmark")]
    config.hook.pytest_deselected(items=mine)
    items[:] = [item for item in items if item not in mine]
