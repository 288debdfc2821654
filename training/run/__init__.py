"""One training run from start to end: fitting, checkpoints, resuming, and what it leaves on disk."""
