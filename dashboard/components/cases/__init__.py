"""What *Cases* shows: the worklist, its filters and its order."""
