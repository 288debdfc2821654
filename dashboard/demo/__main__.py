"""``python -m dashboard.demo``: serve the Gradio demo alone."""

import sys

from core.cli.command import run_command
from dashboard.demo.serve import main

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
