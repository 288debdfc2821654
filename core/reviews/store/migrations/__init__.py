"""Steps that bring a review store's tables from any earlier version to the present one, by Alembic.

Each step states its tables itself, so that it makes the same ones whatever `core.reviews.store.schema` becomes.
"""

LATEST = "0003"
"""The step that `core.reviews.store.schema` corresponds to."""
