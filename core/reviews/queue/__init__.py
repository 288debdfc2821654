"""The worklist: which scans there are, which a filter lets through, and which a reader gets next."""
