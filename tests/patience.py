"""How long a test waits for what is to come: safety nets, and how they widen on a slow or a busy machine."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

VARIABLE = "GUTCHECK_TEST_PATIENCE"
PATIENCE = max(1.0, float(os.environ.get(VARIABLE) or 1))
"""Factor of every limit below: ``GUTCHECK_TEST_PATIENCE=4`` beside busy programs."""
WAIT_S = 240 * PATIENCE
"""A test waits for a state and goes on at once when it is there, so that a long limit costs nothing where all is well."""
WAIT_MS = 1000 * WAIT_S
TEST_LIMITS_S = {"long": 3600, "benchmark": 3600, "cluster": 1800}
"""A whole test, by its marker. Other tests have pytest's ``timeout`` in pyproject.toml."""


def wait_until(done: Callable[[], bool], what: str = "") -> None:
    """Look again until it is so.

    Raises:
        TimeoutError: it never was; ``what`` says what was waited for.
    """
    end = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {WAIT_S:.0f} s: {what or done}")
        time.sleep(0.02)


def outcome(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process that ends by itself has written to stdout and stderr; one that does not is killed, with what it started.

    Raises:
        subprocess.TimeoutExpired: it had to be killed. The process has to lead a session of its own.
    """
    try:
        return process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise


def limit_s(item: pytest.Item, usual_s: float) -> float:
    """How long a whole test may take: what its own ``timeout`` says, else by what kind of test it is."""
    own = item.get_closest_marker("timeout")
    if own is not None and own.args:
        return float(own.args[0]) * PATIENCE
    return max([usual_s, *(limit for kind, limit in TEST_LIMITS_S.items() if item.get_closest_marker(kind))]) * PATIENCE
