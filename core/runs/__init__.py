"""Training runs on disk: their state, their registry, what is wrong with one before it starts, and their jobs."""
