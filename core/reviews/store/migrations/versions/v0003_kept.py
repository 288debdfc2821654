"""Triggers that keep the record of the last event as they keep the events; leases by a clock that nobody can set."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

REFUSAL = "the record of the last review event is never removed or set back"


def upgrade() -> None:
    op.add_column("leases", sa.Column("boot", sa.String(36)))
    op.add_column("leases", sa.Column("expires_boot_s", sa.Float))
    (_sqlite_triggers if op.get_bind().dialect.name == "sqlite" else _postgresql_triggers)()


def _sqlite_triggers() -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    op.execute(f"CREATE TRIGGER head_no_delete BEFORE DELETE ON head {refuse}")
    op.execute(f"CREATE TRIGGER head_no_insert BEFORE INSERT ON head {refuse}")
    op.execute(
        f"CREATE TRIGGER head_no_return BEFORE UPDATE ON head WHEN NEW.sequence < OLD.sequence OR NEW.id <> OLD.id {refuse}"
    )


def _postgresql_triggers() -> None:
    op.execute(f"CREATE FUNCTION head_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$")
    op.execute(
        "CREATE TRIGGER head_is_kept BEFORE INSERT OR DELETE OR TRUNCATE ON head "
        "FOR EACH STATEMENT EXECUTE FUNCTION head_is_kept()"
    )
    op.execute(
        "CREATE FUNCTION head_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.sequence < OLD.sequence OR NEW.id <> OLD.id THEN RAISE EXCEPTION '{REFUSAL}'; END IF; RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER head_goes_on BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_goes_on()")
