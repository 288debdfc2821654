"""``python -m dashboard``: serve the review dashboard, the scans' data and the Gradio demo on one port."""

import sys

from core.cli.command import run_command
from dashboard.server import main

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
