"""Data sets on disk: names, index, pictures, label maps, splits and leakage."""
