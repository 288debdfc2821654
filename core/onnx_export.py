"""``python -m core.onnx_export MODEL``: write ``model.onnx`` beside a model's weights."""

import sys
from collections.abc import Sequence
from pathlib import Path

from core.cli.command import run_command
from core.cli.options import Parser
from core.storage.workspace import model_folder


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ConfigError: no folder was given. ModelError: see `core.model.onnx_export.export_onnx`.
    """
    parser = Parser("python -m core.onnx_export", "Write model.onnx beside a model's weights, for prediction on a CPU.")
    parser.add_argument("model", type=str, help="the model's folder")
    model = Path(model_folder(parser.read(argv)["model"]))

    from core.model.onnx_export import export_onnx

    print(f"Written: {export_onnx(model)}")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
