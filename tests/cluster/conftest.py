"""A Ray cluster of two cores of this machine; its tests run only when asked for (``-m cluster``: ``make test-cluster``)."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config import ClusterConfig
from tests.patience import wait_until


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("ray") is not None:
        return
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.skip(reason="Ray is not installed: pip install -r requirements-cluster.txt"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass(frozen=True)
class Head:
    """A Ray head of this machine."""

    jobs: str
    """Address of its Jobs API."""
    gcs: str
    """Address by which a process of this machine joins it."""


@pytest.fixture(scope="session")
def cluster(head: Head) -> ClusterConfig:
    return ClusterConfig(head.jobs, ray_workers=2)


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """One with two cores; the paths of its sockets have to be short."""
    folder = Path(tempfile.mkdtemp(prefix="gcray-", dir="/tmp"))
    ports = {name: free_port() for name in ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2", f"--temp-dir={folder}"]
    command += ["--disable-usage-stats", "--object-store-memory=200000000", *(f"--{name}={ports[name]}" for name in ports)]
    address = f"http://127.0.0.1:{ports['dashboard-port']}"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (folder / "head.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            wait_for_head(process, address, folder / "head.log")
            yield Head(address, f"127.0.0.1:{ports['port']}")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


def wait_for_head(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/api/version", timeout=5):
                return True
        except OSError:
            assert process.poll() is None, log.read_text()
            return False

    wait_until(answers, f"Ray's head; see {log}")
