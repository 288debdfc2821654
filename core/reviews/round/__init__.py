"""What a round of reviews comes to: agreement, acceptance, verdicts carried over, tables and masks to take out."""
