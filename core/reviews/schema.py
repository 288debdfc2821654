"""The one table of the review store, and the triggers that refuse to change or delete a row."""

from sqlalchemy import DDL, Column, Integer, MetaData, String, Table, Text, event

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("at", String(40), nullable=False),
    Column("reader", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("run", String(120), nullable=False, index=True),
    Column("evaluation", String(120), nullable=False),
    Column("scan", String(120), nullable=False, index=True),
    Column("image_sha256", String(64), nullable=False),
    Column("mask_sha256", String(64), nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

for _action in ("UPDATE", "DELETE"):
    _trigger = DDL(  # type: ignore[no-untyped-call]
        f"CREATE TRIGGER IF NOT EXISTS events_no_{_action.lower()} BEFORE {_action} ON events "
        "BEGIN SELECT RAISE(ABORT, 'review events are never changed or deleted'); END"
    )
    event.listen(events, "after_create", _trigger.execute_if(dialect="sqlite"))
