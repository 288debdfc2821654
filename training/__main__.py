"""``python -m training``: prepare, fit, evaluate, compare, predict."""

import sys
from collections.abc import Sequence

from core.cli.command import Command, dispatch, run_command

COMMANDS = {
    "prepare": Command("make a data set: pairs, nifti, dicom, nnunet, table, kaggle, …", "training.commands.prepare"),
    "estimate": Command("how long a run will take and how much memory", "training.commands.estimate"),
    "fit": Command("train a run on a data set", "training.commands.fit"),
    "evaluate": Command("score a run on a split of a data set", "training.commands.evaluate"),
    "evaluate masks": Command("score label maps of any tool against a reference", "training.commands.evaluate_masks"),
    "compare": Command("two runs on the same scans, and the scans that changed most", "training.commands.compare"),
    "predict": Command("outline the organs in pictures", "training.commands.predict"),
    "export": Command("write a run as one zip, or label maps as NIfTI, DICOM and others", "training.commands.export_run"),
    "import": Command("bring a run that was exported elsewhere", "training.commands.import_run"),
    "submit": Command("fit or evaluate on a Ray cluster (requirements-cluster.txt)", "training.commands.submit"),
    "show": Command("draw image, reference, prediction and overlay of slices", "training.commands.show"),
}


def main(argv: Sequence[str]) -> None:
    """Run one command.

    Raises:
        GutCheckError: bad input, as one sentence.
    """
    dispatch("python -m training", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
