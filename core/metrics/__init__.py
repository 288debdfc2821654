"""Scores that are true: overlap per slice and per scan, and the rule for empty masks."""
