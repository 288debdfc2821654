"""Whose turn it is: queued runs take the machine's places, one a GPU or one for the processor, in the order of queueing.

There is no scheduler: each waiting run has a small process that asks here every second. What is taken stands in the runs'
own folders and counts for as long as the process that took it lives, so that nothing has to be cleared up after a kill.
"""

import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import BusyError, ConfigError, GutCheckError
from core.runs.jobs.start import read_job
from core.runs.status import ACTIVE, read_status
from core.storage.files import read_json, write_json
from core.storage.locks import locked
from core.storage.processes import ProcessIdentity, checked, stated_process
from core.storage.workspace import RunPaths, Workspace

PLACES_VARIABLE = "GUTCHECK_PLACES"
"""How many runs may train at once; by default the number of GPUs, or one where there is none."""


@dataclass(frozen=True)
class Turn:
    """The places that a run may use; none yet while others are before it."""

    places: tuple[int, ...] = ()
    before: int = 0
    """Runs at work or queued earlier."""


def gpus() -> list[str]:
    """NVIDIA GPUs of this machine that ``CUDA_VISIBLE_DEVICES`` leaves to us, by name, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [each.strip() for each in visible.split(",") if each.strip() not in ("", "-1")]
    numbers = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia*")]
    return sorted((number for number in numbers if number.isdecimal()), key=int)


def count_places() -> int:
    """How many runs may train at once.

    Raises:
        ConfigError: ``GUTCHECK_PLACES`` is no whole number from 1.
    """
    stated = os.environ.get(PLACES_VARIABLE)
    if stated is None:
        return max(len(gpus()), 1)
    if not stated.isdecimal() or not int(stated):
        raise ConfigError(f"{PLACES_VARIABLE} is no number of runs", value=stated, todo="use a whole number from 1")
    return int(stated)


def device_environment(places: tuple[int, ...]) -> dict[str, str]:
    """What tells a training process which GPUs are its own; nothing where there is none."""
    names = gpus()
    mine = [names[place] for place in places if place < len(names)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {}


def take_turn(workspace: Workspace, run: RunPaths) -> Turn:
    """Take places for a queued run if it is the first that waits and there are enough.

    Raises:
        ConfigError: see `count_places`.
        WorkspaceError: ``job.json`` is damaged, or the disk refuses.
    """
    wanted = min(read_job(run).places, count_places())
    try:
        with locked(workspace.runs / ".queue.lock", patience_s=5):
            return _turn(workspace, run, wanted)
    except BusyError:
        return Turn(before=1)


def _turn(workspace: Workspace, run: RunPaths, wanted: int) -> Turn:
    taken, unclaimed, waiting = _survey(workspace)
    free = [place for place in range(count_places()) if place not in taken]
    earlier = sum(1 for each in waiting if each < _order(run))
    if earlier or len(free) - unclaimed < wanted:
        return Turn(before=earlier + unclaimed + len(set(taken.values())))
    mine = tuple(free[:wanted])
    write_json(run.claim, {"places": mine, "process": asdict(ProcessIdentity.own())})
    return Turn(mine)


def _order(run: RunPaths) -> tuple[float, str]:
    return read_job(run).queued_at, run.root.name


def _survey(workspace: Workspace) -> tuple[dict[int, str], int, list[tuple[float, str]]]:
    """Of this machine: places taken, by whom; runs at work without a claim (started by hand); the order of those that wait."""
    taken: dict[int, str] = {}
    unclaimed, waiting = 0, []
    for folder in workspace.runs.glob("[!.]*/"):
        run = RunPaths(folder)
        try:
            status = read_status(run)
            if status.is_elsewhere:
                continue
            claim = _claim(run)
            if claim:
                taken |= dict.fromkeys(claim, folder.name)
            elif run.job.exists() and read_job(run).cluster is not None:
                continue  # the cluster keeps its own queue
            elif status.state == "queued" and run.job.exists():
                waiting.append(_order(run))
            elif status.state in ACTIVE:
                unclaimed += 1
        except GutCheckError:
            continue  # a damaged run holds nobody up
    return taken, unclaimed, waiting


def _claim(run: RunPaths) -> list[int]:
    """The places that a living process holds for the run."""
    if not run.claim.exists():
        return []
    try:
        content = read_json(run.claim)
        places = [int(place) for place in content["places"]]
        if _claimer(content).lives():
            return places
    except (GutCheckError, KeyError, TypeError, ValueError):
        return []
    # The watching process was killed; what it had started may go on.
    status = read_status(run)
    alive = status.state in ACTIVE and status.process is not None and status.process.lives()
    return places if alive else []


def _claimer(content: dict[str, Any]) -> ProcessIdentity:
    """Whoever wrote a claim. Raises KeyError, TypeError: it is damaged."""
    if "process" not in content:  # an older file
        return checked(ProcessIdentity(content["pid"], content["process_created_at"]))
    found = stated_process(content["process"], None)
    if found is None:
        raise TypeError("nobody's claim")
    return found


def give_back(run: RunPaths) -> None:
    """Give back the places that this process has taken for a run; those of another one stay."""
    with suppress(GutCheckError, KeyError, TypeError):
        if _claimer(read_json(run.claim)).is_the_same_as(ProcessIdentity.own()):
            run.claim.unlink(missing_ok=True)


def wait_between_questions() -> None:
    """The pause before a waiting run asks again."""
    time.sleep(1)
