"""The record of the last event, leases, saved filters; and on either database, triggers that keep the events as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

REFUSAL = "review events are never changed or deleted"


def upgrade() -> None:
    op.create_index("ix_events_reader", "events", ["reader"])
    op.create_index("ix_events_evaluation", "events", ["run", "evaluation", "sequence"])
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("workspace", sa.String(64)),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.execute(
        "INSERT INTO head (id, sequence, hash) SELECT 1, coalesce(max(sequence), 0), "
        f"coalesce((SELECT hash FROM events ORDER BY sequence DESC LIMIT 1), '{'0' * 64}') FROM events"
    )
    op.create_table(
        "leases",
        *(sa.Column(name, sa.String(120), primary_key=True) for name in ("run", "evaluation", "scan")),
        sa.Column("reader", sa.String(80), primary_key=True),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("skipped", sa.Boolean, nullable=False),
    )
    op.create_table(
        "saved_filters",
        sa.Column("owner", sa.String(80), primary_key=True),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("query", sa.Text, nullable=False),
    )
    (_sqlite_triggers if op.get_bind().dialect.name == "sqlite" else _postgresql_triggers)()


def _sqlite_triggers() -> None:
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER IF NOT EXISTS events_no_{action.lower()} BEFORE {action} ON events "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
    # INSERT OR REPLACE deletes the old row without asking the trigger against deleting.
    op.execute(
        "CREATE TRIGGER events_no_replace BEFORE INSERT ON events "
        "WHEN EXISTS (SELECT 1 FROM events WHERE sequence = NEW.sequence OR id = NEW.id) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )


def _postgresql_triggers() -> None:
    op.execute(
        f"CREATE FUNCTION events_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_are_kept()"
    )
