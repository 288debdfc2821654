"""What *Training* shows: the form of a new run, and the runs there are."""
