"""Every score, as functions of arrays: overlap, distances, volumes, kinds of error, confidence, and what an empty mask means."""
