"""What the stored tables of evaluations say: tables made for charts, from scores that are already there."""
