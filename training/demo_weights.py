"""``python -m training.demo_weights --out core/demo/run``: train the small model that ships with the embedded demo."""

import sys

from core.cli.command import run_command
from training.tools.demo_weights import main

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
