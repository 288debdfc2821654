"""What `python -m core.reviews` runs: verifying, exporting, reporting and carrying over reviews."""
