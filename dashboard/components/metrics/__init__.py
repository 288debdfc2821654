"""What *Metrics* and *Compare* show."""
