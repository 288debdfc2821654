"""Saying how a training ended that could not say so itself."""

import shutil
import signal
from dataclasses import replace

from core.cli.command import BAD_INPUT
from core.runs.status import ACTIVE, DIED, State, stored_status, write_status
from core.storage.workspace import RunPaths

OUT_OF_MEMORY = (
    "The system killed the training process (signal 9), most likely because memory ran out: "
    "lower batch_size or image_size in a new run, or close other programs and resume."
)


def record_end(run: RunPaths, returncode: int, *, said: str = "") -> None:
    """Say how a training process ended that could not say so itself, and remove what it had half written.

    Args:
        returncode: of the process; negative for the signal that ended it.
        said: the last line that it printed.
    """
    clear_partials(run)
    status = stored_status(run)
    if status.state in ACTIVE:
        by_hand = run.stop_now.exists()
        sentence = "Stopped at once; it can be resumed after its last complete epoch."
        close(run, sentence if by_hand else _reason(returncode, said), stopped=by_hand)
    elif status.state == "finished" and returncode:
        why = status.message if status.evaluation_failed else _reason(returncode, said)
        write_status(run, replace(status.of_process(None), evaluation_failed=True, message=why))
    run.stop_now.unlink(missing_ok=True)
    run.stop_request.unlink(missing_ok=True)


def _reason(returncode: int, said: str) -> str:
    if returncode == -signal.SIGKILL:
        return OUT_OF_MEMORY
    if returncode < 0:
        return f"The training process was ended by {signal.Signals(-returncode).name}; it can be resumed."
    return said[:500] if returncode == BAD_INPUT and said else DIED


def clear_partials(run: RunPaths) -> None:
    """Remove the files and folders that nobody writes any more; what an evaluation has done stays for the next."""
    for folder in (run.root, run.checkpoints, run.learning):
        for path in folder.glob(".*.partial"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def close(run: RunPaths, message: str, *, stopped: bool = False) -> None:
    """Write that a run has failed, or was stopped, and why."""
    state: State = "stopped" if stopped else "failed"
    write_status(run, replace(stored_status(run).of_process(None), state=state, remaining_s=None, message=message))


def last_line(run: RunPaths) -> str:
    """The last line in the run's ``output.log``."""
    try:
        lines = run.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
