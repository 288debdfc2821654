"""``python -m core.jobs.supervisor WORKSPACE RUN``: waits for the run's turn, starts it, and says how it ended.

One small process (25 MB) a queued or running training. It needs no server, and nobody needs it: killed, the training goes on.
"""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil

from core.errors import GutCheckError
from core.jobs.places import device_environment, take_turn, wait_between_questions
from core.jobs.start import read_job, spawn
from core.run_status import ACTIVE, DIED, State, stored_status, write_status
from core.workspace import RunPaths, Workspace

HEARTBEAT_S = 30.0
OUT_OF_MEMORY = (
    "The system killed the training process (signal 9), most likely because memory ran out: "
    "lower batch_size or image_size in a new run, or close other programs and resume."
)


def supervise(workspace: Workspace, run: RunPaths) -> None:
    """Wait, train, and record an end that the training could not record itself."""
    try:
        places = _wait(workspace, run)
        if not places:
            return
        _say(run, "Starting.")
        process = spawn(read_job(run).command, run.output, env=os.environ | device_environment(places))
        process.wait()
        record_end(run, process.returncode)
    except (GutCheckError, OSError) as error:
        _close(run, str(error))
    finally:
        run.claim.unlink(missing_ok=True)


def _wait(workspace: Workspace, run: RunPaths) -> tuple[int, ...]:
    """The places to use; none where the run was taken out of the queue."""
    said, said_at = "", 0.0
    while not run.stop_request.exists():
        turn = take_turn(workspace, run)
        if turn.places:
            return turn.places
        text = f"Waiting for {turn.before} other run{'s' if turn.before > 1 else ''}."
        if text != said or time.monotonic() - said_at > HEARTBEAT_S:
            _say(run, text)
            said, said_at = text, time.monotonic()
        wait_between_questions()
    write_status(run, replace(stored_status(run), state="stopped", pid=None, message="Taken out of the queue."))
    run.stop_request.unlink(missing_ok=True)
    return ()


def _say(run: RunPaths, message: str) -> None:
    process = psutil.Process()
    status = replace(stored_status(run), state="queued", pid=process.pid, message=message)
    write_status(run, replace(status, process_created_at=process.create_time()))


def record_end(run: RunPaths, returncode: int) -> None:
    """Say how a training process ended that could not say so itself.

    Args:
        returncode: of the process; negative for the signal that ended it.
    """
    status = stored_status(run)
    if status.state in ACTIVE:
        by_hand = run.stop_now.exists()
        message = "Stopped at once; it can be resumed after its last complete epoch." if by_hand else _reason(run, returncode)
        _close(run, message, stopped=by_hand)
    elif status.state == "finished" and returncode:
        # Trained, but not evaluated.
        write_status(run, replace(status, pid=None, message=f"Finished, but not evaluated: {_reason(run, returncode)}"))
    run.stop_now.unlink(missing_ok=True)
    run.stop_request.unlink(missing_ok=True)


def _reason(run: RunPaths, returncode: int) -> str:
    if returncode == -signal.SIGKILL:
        return OUT_OF_MEMORY
    if returncode < 0:
        return f"The training process was ended by {signal.Signals(-returncode).name}; it can be resumed."
    if returncode == 2:
        # Our commands say in one sentence what was wrong.
        lines = run.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else DIED
    return DIED


def _close(run: RunPaths, message: str, *, stopped: bool = False) -> None:
    state: State = "stopped" if stopped else "failed"
    write_status(run, replace(stored_status(run), state=state, pid=None, remaining_s=None, message=message))


def main(words: list[str]) -> None:
    """Run the process."""
    workspace, name = words
    # A Ctrl-C in the terminal that started the server is not meant for the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    opened = Workspace(Path(workspace))
    supervise(opened, opened.run(name))


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.exit(0)
