"""``python -m core.onnx_export MODEL``: write ``model.onnx`` beside a model's weights."""

import sys

from core.cli.command import run_command
from core.model.onnx_export import main

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
