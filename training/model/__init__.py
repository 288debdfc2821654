"""The network in training: its loss, its optimiser and the Lightning module."""
