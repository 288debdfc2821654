"""The tables of the review store as they are now; `core.reviews.store.migrations` makes them, step by step."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("at", String(40), nullable=False),
    Column("reader", String(80), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("run", String(120), nullable=False, index=True),
    Column("evaluation", String(120), nullable=False),
    Column("scan", String(120), nullable=False, index=True),
    Column("image_sha256", String(64), nullable=False),
    Column("mask_sha256", String(64), nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_events_evaluation", "run", "evaluation", "sequence"),
)
"""What was said. Triggers refuse to change or delete a row."""

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("workspace", String(64)),
    Column("sequence", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
"""One row: the last event (events are numbered from 1 without gaps, so its number is their count), changed together with it.
Whoever writes locks this row first; triggers refuse to remove it or to set it back. ``workspace`` is the one workspace that the
database belongs to, where it is shared."""

leases = Table(
    "leases",
    metadata,
    Column("run", String(120), primary_key=True),
    Column("evaluation", String(120), primary_key=True),
    Column("scan", String(120), primary_key=True),
    Column("reader", String(80), primary_key=True),
    Column("expires_at", Float, nullable=False),
    Column("skipped", Boolean, nullable=False),
    Column("boot", String(36)),
    Column("expires_boot_s", Float),
)
"""Who has which scan at hand until when, or passed it over. ``expires_at`` is in seconds since 1970, ``expires_boot_s`` in
seconds since the start of the machine that ``boot`` names, see `core.reviews.store.clock`. Working notes, not part of the
record."""

saved_filters = Table(
    "saved_filters",
    metadata,
    Column("owner", String(80), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("query", Text, nullable=False),
)
"""Filters of the worklist by name; an empty owner means shared by all readers."""
