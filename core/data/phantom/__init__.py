"""Synthetic abdominal MR scans with label maps: the embedded demo, the test fixture and a small training set."""
