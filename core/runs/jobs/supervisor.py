"""``python -m core.runs.jobs.supervisor WORKSPACE RUN``: waits for the run's turn, starts it, and says how it ended.

One small process (25 MB) a queued or running training. It needs no server, and nobody needs it: killed, the training goes on.
A run for a Ray cluster waits for no turn here: the cluster has its own queue, and this process follows it there.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.errors import GutCheckError
from core.runs.jobs.ends import close, last_line, record_end
from core.runs.jobs.on_ray import follow
from core.runs.jobs.queue import device_environment, give_back, take_turn, wait_between_questions
from core.runs.jobs.start import Queued, read_job, spawn
from core.runs.status import HEARTBEAT_S, stored_status, write_status
from core.storage.locks import runs_locked
from core.storage.workspace import RunPaths, Workspace


def supervise(workspace: Workspace, run: RunPaths) -> None:
    """Wait, train, and record an end that the training could not record itself."""
    job = None
    try:
        job = read_job(run)
        if job.cluster is not None:
            _say(run, "Handed to the Ray cluster.")
            follow(workspace, run, job)
            return
        places = _wait(workspace, run)
        if not places:
            return
        _say(run, "Starting.")
        process = spawn(job.command, run.output, env=os.environ | device_environment(places))
        process.wait()
        with _still_ours(run, job) as ours:
            if ours:
                record_end(run, process.returncode, said=last_line(run))
    except (GutCheckError, OSError) as error:
        # Where the run's folder is gone there is nothing left to say it in.
        with suppress(GutCheckError), _still_ours(run, job) as ours:
            if ours:
                close(run, str(error))
    finally:
        give_back(run)


@contextmanager
def _still_ours(run: RunPaths, job: Queued | None) -> Iterator[bool]:
    """Whether nobody has queued the run again meanwhile, which nobody does before the block ends."""
    with runs_locked(run.root.parent):
        yield job is None or read_job(run) == job


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
    run.stop_request.unlink(missing_ok=True)
    write_status(run, replace(stored_status(run).of_process(None), state="stopped", message="Taken out of the queue."))
    return ()


def _say(run: RunPaths, message: str) -> None:
    write_status(run, replace(stored_status(run), state="queued", message=message).of_this_process())


def main(argv: list[str]) -> None:
    """Run the process."""
    workspace, name = argv
    # A Ctrl-C in the terminal that started the server is not meant for the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    opened = Workspace(Path(workspace))
    supervise(opened, opened.run(name))


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.exit(0)
