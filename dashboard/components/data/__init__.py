"""What *Data* shows: contents, leaks and copies across the split, suspicious references, and the slices."""
