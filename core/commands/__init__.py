"""What `python -m core.…` runs."""
