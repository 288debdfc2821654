"""``python -m core.demo FOLDER``: make the embedded demo's workspace in a folder."""

import sys

from core.cli.command import run_command
from core.demo.prepare import main

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1])))
