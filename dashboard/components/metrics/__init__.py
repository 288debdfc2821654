"""What *Metrics* and *Compare* show: scores and charts of one evaluation, and two paired by scan."""
