"""Opening the review store's database: where it is, how it is set, and its tables brought up to date."""

import os
import sqlite3
import threading
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text, update
from sqlalchemy.exc import SQLAlchemyError

from core.errors import ReviewError
from core.reviews.store.intact import Opened, note_files, read_claim
from core.reviews.store.migrations import LATEST
from core.reviews.store.schema import head
from core.storage.files import sync_folder, write_whole

URL_VARIABLE = "GUTCHECK_DATABASE_URL"
CLAIM_FILE = "reviews.id"
"""Beside where the SQLite file would be: which workspace a database of its own belongs to."""
PRIVATE = 0o600
"""Names and words of readers are for the owner of the files alone."""
BUSY_TIMEOUT_S = 30
CONNECT_S = 5
"""How long a PostgreSQL server may take to answer a new connection."""
_MIGRATION_LOCK = 6_017_310
"""Any number that is ours alone among the advisory locks of a PostgreSQL database."""
_WRITES = {"gutcheck_writes": True}
# Alembic keeps the migration at work in a module of its own, so one process does one at a time.
_migrating = threading.Lock()
_turns: dict[str, threading.Lock] = {}
_turns_lock = threading.Lock()


def open_database(sqlite_file: Path) -> tuple[Engine, Opened]:
    """Open ``sqlite_file`` (made where it is missing, for its owner alone), or the database that ``GUTCHECK_DATABASE_URL`` names.

    Raises:
        ReviewError: it cannot be opened, is damaged, is of a newer version, or is another workspace's.
    """
    url = os.environ.get(URL_VARIABLE)
    try:
        engine = make_engine(url or URL.create("sqlite", database=str(sqlite_file)))
        database = _sqlite_file(engine)
        try:
            if database:
                _make_private(database)
            opened = Opened(database, None)
            _bring_up_to_date(engine)
            if url:
                claim = sqlite_file.parent / CLAIM_FILE
                opened = Opened(database, (claim, _claim(engine, claim)))
            opened.check()
        except Exception:
            engine.dispose()
            raise
    except ImportError as error:
        todo = "run: pip install -r requirements-postgres.txt"
        raise ReviewError(f"The database driver is missing ({error.name})", value=URL_VARIABLE, todo=todo) from error
    except (SQLAlchemyError, OSError) as error:
        shown = sqlite_file if not url else URL_VARIABLE
        todo = "restore the file from a backup, or check the folder and the address"
        raise ReviewError("The review store cannot be opened", value=shown, todo=todo) from error
    return engine, opened


def _sqlite_file(engine: Engine) -> Path | None:
    named = engine.url.database if engine.dialect.name == "sqlite" else None
    return Path(named).absolute() if named and named != ":memory:" else None


def _make_private(database: Path) -> None:
    """Make the file for its owner alone from the start, or take the others' rights away; SQLite gives its -wal the same ones."""
    database.parent.mkdir(parents=True, exist_ok=True)
    # An existing one is not opened here: closing it would drop the locks that SQLite has on it in this process.
    with suppress(FileExistsError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
        sync_folder(database.parent)
    for ending in ("", "-wal", "-shm", "-journal"):
        _tighten(database.with_name(database.name + ending))


def _tighten(path: Path) -> None:
    # Somebody else's file, or one that SQLite has just removed, is no reason not to open the store.
    with suppress(OSError):
        if path.stat().st_mode & 0o177:
            path.chmod(PRIVATE)


def make_engine(url: str | URL) -> Engine:
    """An engine that writes durably and one writer at a time; ``postgresql://`` means psycopg 3."""
    url = make_url(url)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    # A server that drops packets would keep a page, and /health, for minutes.
    wait = {"connect_timeout": CONNECT_S} if url.get_backend_name() == "postgresql" else {}
    engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite", connect_args=wait)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_sqlite_pragmas)
        if database := _sqlite_file(engine):
            event.listen(engine, "connect", lambda _, record: note_files(record.info, database))
        event.listen(engine, "begin", _begin)
    return engine


def writer(engine: Engine) -> Engine:
    """The same engine for transactions that write."""
    return engine.execution_options(**_WRITES)


def turn(engine: Engine) -> AbstractContextManager[object]:
    """Wait for this process's turn to write: SQLite lets those who wait try again by chance, and some would never get in."""
    if engine.dialect.name != "sqlite":
        return nullcontext()
    with _turns_lock:
        return _turns.setdefault(str(engine.url.database), threading.Lock())


def snapshot(engine: Engine) -> Engine:
    """The same engine for transactions whose every query sees the database as it was at the first, as SQLite always does."""
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


def _set_sqlite_pragmas(connection: Any, _: object) -> None:
    # pysqlite would begin a read transaction first and upgrade it on insert, which two writers can't do at once.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    # Opens the files beside the database, whose identity is kept from here on.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _write_ahead(connection: Any) -> None:
    # Where two open a new file at once, SQLite refuses one of them the change at once, without the wait that it does otherwise.
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().keys() & _WRITES.keys()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine) -> None:
    with engine.connect() as connection:
        if _version(connection) == LATEST:
            return
    with _migrating, writer(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        _migrate(connection, _version(connection))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, version: str | None) -> None:
    if version is not None and version > LATEST:
        todo = "update GutCheck, or use the version that wrote it"
        raise ReviewError("The review store was written by a newer GutCheck", value=f"version {version}", todo=todo)
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    # Alembic reads its settings with %-interpolation.
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if version is None and inspect(connection).has_table("events"):
        command.stamp(config, "0001")
    if version != LATEST:
        command.upgrade(config, LATEST)


def _claim(engine: Engine, file: Path) -> str:
    """Make the database this workspace's, or check that it is: two in one would mix runs of the same name; return whose it is."""
    with writer(engine).begin() as connection:
        owner = connection.execute(head.select().with_for_update()).mappings().one()["workspace"]
        if owner is None:
            owner = read_claim(file) or uuid4().hex
            connection.execute(update(head).values(workspace=owner))
            write_whole(file, f"{owner}\n".encode(), mode=PRIVATE)
            sync_folder(file.parent)
    _tighten(file)
    if read_claim(file) != owner:
        todo = f"give each workspace a database of its own; if this one was moved here, bring its {CLAIM_FILE} too"
        raise ReviewError(f"The database of {URL_VARIABLE} holds another workspace's reviews", value=file.parent, todo=todo)
    return str(owner)
