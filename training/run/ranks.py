"""Which of several training processes this is; only the first writes the run's folder."""

import os

RUN_VARIABLE = "GUTCHECK_RUN"
"""The run's name, for the processes that the first one starts."""
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Set by torchrun, Lightning and SLURM; the first that is there counts, as in Lightning."""


def rank() -> int:
    """This process's number, 0 where it trains alone."""
    return next((int(os.environ[name]) for name in RANKS if name in os.environ), 0)


def is_first() -> bool:
    """Whether this process writes and prints for all."""
    return rank() == 0


def started_together() -> bool:
    """Whether a launcher (torchrun, SLURM) started all processes at once, rather than the first of them the others."""
    several = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1"))) > 1
    return several and RUN_VARIABLE not in os.environ
