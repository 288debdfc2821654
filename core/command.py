"""What every command of the house shares: one sentence on standard error and exit 2 on bad input, never a traceback."""

import os
import sys
from collections.abc import Callable

from core.errors import GutCheckError

BAD_INPUT = 2
INTERRUPTED = 130


def run_command(main: Callable[[], None]) -> int:
    """Run ``main`` and return the process's exit code: 0 on success, 2 on a person-mendable error, 130 on Ctrl-C."""
    try:
        main()
    except GutCheckError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (``| head``) went away; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
