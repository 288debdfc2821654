"""The triggers by which the database itself refuses to change or delete: whether all are there, as they were made, and on."""

from typing import Any

from sqlalchemy import Connection, text

_EVENTS = "RAISE(ABORT, 'review events are never changed or deleted')"
_HEAD = "RAISE(ABORT, 'the record of the last review event is never removed or set back')"
_SQLITE = {
    "events_no_update": f"BEFORE UPDATE ON events BEGIN SELECT {_EVENTS}; END",
    "events_no_delete": f"BEFORE DELETE ON events BEGIN SELECT {_EVENTS}; END",
    "events_no_replace": "BEFORE INSERT ON events WHEN EXISTS "
    f"(SELECT 1 FROM events WHERE sequence = NEW.sequence OR id = NEW.id) BEGIN SELECT {_EVENTS}; END",
    "head_no_delete": f"BEFORE DELETE ON head BEGIN SELECT {_HEAD}; END",
    "head_no_insert": f"BEFORE INSERT ON head BEGIN SELECT {_HEAD}; END",
    "head_no_return": f"BEFORE UPDATE ON head WHEN NEW.sequence < OLD.sequence OR NEW.id <> OLD.id BEGIN SELECT {_HEAD}; END",
}
_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 4, 8, 16, 32
"""The bits of ``pg_trigger.tgtype``."""
_POSTGRESQL = {
    "events_are_kept": (
        "events",
        _BEFORE | _UPDATE | _DELETE | _TRUNCATE,
        "BEGIN RAISE EXCEPTION 'review events are never changed or deleted'; END",
    ),
    "head_is_kept": (
        "head",
        _BEFORE | _INSERT | _DELETE | _TRUNCATE,
        "BEGIN RAISE EXCEPTION 'the record of the last review event is never removed or set back'; END",
    ),
    "head_goes_on": (
        "head",
        _BEFORE | _UPDATE | _ROW,
        "BEGIN IF NEW.sequence < OLD.sequence OR NEW.id <> OLD.id THEN RAISE EXCEPTION "
        "'the record of the last review event is never removed or set back'; END IF; RETURN NEW; END",
    ),
}
_QUERY = text(
    "SELECT t.tgname AS name, c.relname AS relation, t.tgtype AS type, t.tgenabled::text AS enabled, p.prosrc AS body, "
    "t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0 AS always "
    "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE t.tgrelid IN (to_regclass('events'), to_regclass('head')) AND NOT t.tgisinternal"
)


def check_triggers(connection: Connection) -> str | None:
    """A sentence that names the first trigger which is missing, switched off or another; ``None`` where all is well."""
    problems = _sqlite_problems(connection) if connection.dialect.name == "sqlite" else _postgresql_problems(connection)
    for name, problem in sorted(problems.items()):
        return f"The trigger {name}, which keeps review events from being changed or deleted, {problem}."
    return None


def _sqlite_problems(connection: Connection) -> dict[str, str]:
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    found = {name: " ".join(str(sql).split()) for name, sql in rows}
    problems = {name: "is missing" for name in _SQLITE if name not in found}
    wanted = {name: f"CREATE TRIGGER {name} {body}" for name, body in _SQLITE.items() if name in found}
    return problems | {name: "was changed" for name, sql in wanted.items() if found[name] != sql}


def _postgresql_problems(connection: Connection) -> dict[str, str]:
    found: dict[str, Any] = {row.name: row for row in connection.execute(_QUERY)}
    problems = {}
    for name, (relation, kind, body) in _POSTGRESQL.items():
        row = found.get(name)
        if row is None:
            problems[name] = "is missing"
        elif row.enabled not in ("O", "A"):
            problems[name] = "is switched off"
        elif (row.relation, row.type, row.always, " ".join(row.body.split())) != (relation, kind, True, body):
            problems[name] = "was changed"
    return problems
