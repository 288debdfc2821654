"""What a run uses of the machine at this moment."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass

import psutil

from core.runs.jobs.queue import gpus


@dataclass(frozen=True)
class GpuUse:
    """One GPU, all programs on it."""

    name: str
    busy_percent: float
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Usage:
    """A process and those that it has started."""

    cores: float
    """Processor cores in use."""
    memory_bytes: int
    """Resident; what processes share is counted in each."""
    machine_cores: int
    machine_bytes: int
    gpus: tuple[GpuUse, ...] = ()


def usage_of(pid: int, *, over_s: float = 0.1) -> Usage | None:
    """What a process uses, looked at for a moment; ``None`` where it is gone or another person's."""
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
        for each in processes[1:]:
            with suppress(psutil.Error):
                each.cpu_percent()
        percent = first.cpu_percent(interval=over_s)
        memory = first.memory_info().rss
    except psutil.Error:
        return None
    for each in processes[1:]:
        with suppress(psutil.Error):
            percent += each.cpu_percent()
            memory += each.memory_info().rss
    return Usage(percent / 100, memory, psutil.cpu_count() or 1, psutil.virtual_memory().total, _gpus())


def _gpus() -> tuple[GpuUse, ...]:
    tool = shutil.which("nvidia-smi") if gpus() else None
    if tool is None:
        return ()
    query = "--query-gpu=name,utilization.gpu,memory.used,memory.total"
    try:
        found = subprocess.run(
            [tool, query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=5, check=True
        )
        return tuple(read_gpu(line) for line in found.stdout.strip().splitlines())
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()  # a page without this figure is better than none


def read_gpu(line: str) -> GpuUse:
    """One line of nvidia-smi: name, percent, MiB used, MiB in all.

    Raises:
        ValueError: the line has other fields.
    """
    name, busy, used, total = (word.strip() for word in line.rsplit(",", 3))
    return GpuUse(name, float(busy), int(float(used) * 2**20), int(float(total) * 2**20))
