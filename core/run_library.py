"""What people do with finished runs: name, note, tag and promote them, move them to the trash, and carry them elsewhere."""

import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.data.archive import unpack
from core.errors import WorkspaceError
from core.files import new_folder, read_json, sha256_of, write_json
from core.locks import runs_locked
from core.run_status import is_working, stored_status
from core.runs import Run, find_run, list_runs, open_run
from core.workspace import RunPaths, Workspace, check_name

HASHES = "hashes.json"
MAX_TITLE, MAX_NOTES, MAX_TAG = 120, 10_000, 40
MAX_ARCHIVE_BYTES = 20_000_000_000
LEFT_OUT = (".", "checkpoints/", "learning/", "tracker/", "stop", "claim.json", "job.json")
"""Beginnings of what an exported run does without: it is to be used elsewhere, not resumed, and holds no pictures of patients."""


@dataclass(frozen=True)
class About:
    """``about.json``: what people say of a run."""

    title: str = ""
    """What people call it; the run's name where empty."""
    notes: str = ""
    tags: tuple[str, ...] = ()
    promoted_at: str | None = None
    """UTC, ISO 8601; the demo uses the run that was promoted last."""


def read_about(run: RunPaths) -> About:
    """What people say of a run; nothing where nobody has, or where the file is damaged: it holds no result."""
    try:
        content = read_json(run.about)
        known = {key: value for key, value in content.items() if key in {field.name for field in fields(About)}}
        return _checked(About(**known | {"tags": tuple(known.get("tags", ()))}))
    except (WorkspaceError, TypeError, AttributeError):
        return About()


def write_about(run: RunPaths, about: About) -> None:
    """Store what people say of a run.

    Raises:
        WorkspaceError: a text that is too long, or the disk refuses.
    """
    write_json(run.about, asdict(_checked(replace(about, title=about.title.strip(), tags=_tags(about.tags)))))


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


def _checked(about: About) -> About:
    for what, text, limit in (
        ("title", about.title, MAX_TITLE),
        ("notes", about.notes, MAX_NOTES),
        *(("tag", tag, MAX_TAG) for tag in about.tags),
    ):
        if not isinstance(text, str) or len(text) > limit:
            raise WorkspaceError(
                f"The {what} of a run is too long", value=str(text)[:40], todo=f"use at most {limit:,} characters"
            )
    return about


def promote(run: Run, *, wanted: bool = True) -> None:
    """Make a run the one that the demo uses, or take that back.

    Raises:
        WorkspaceError: it has no model, or the disk refuses.
    """
    if wanted and not run.has_model:
        raise WorkspaceError("Only a run with a model can be promoted", value=run.name, todo="wait until it has finished")
    at = datetime.now(UTC).isoformat(timespec="microseconds") if wanted else None
    write_about(run.paths, replace(read_about(run.paths), promoted_at=at))


def promoted(workspace: Workspace) -> list[Run]:
    """The promoted runs that have a model, the last promoted first."""
    dated = [(read_about(run.paths).promoted_at, run) for run in list_runs(workspace) if run.has_model]
    return [run for at, run in sorted(dated, key=lambda pair: pair[0] or "", reverse=True) if at]


# ---- The trash ----


def trash_run(workspace: Workspace, name: str) -> str:
    """Move a run to the trash; return its name there, for `restore_run`.

    Raises:
        WorkspaceError: there is no such run, it is at work, or the disk refuses.
    """
    with runs_locked(workspace.runs):
        run = _existing(workspace, name)
        if run.status is not None and is_working(run.status):
            raise WorkspaceError("The run is still at work", value=name, todo="stop it first")
        kept = f"{name[:90]}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        _move(run.paths.root, workspace.trash / kept)
    return kept


def trashed(workspace: Workspace) -> list[str]:
    """Names in the trash, the last deleted first."""
    found = [path.name for path in workspace.trash.glob("[!.]*/")]
    return sorted(found, key=lambda name: name.rsplit(".", 1)[-1], reverse=True)


def restore_run(workspace: Workspace, kept: str) -> str:
    """Put a run back; return its name.

    Raises:
        WorkspaceError: it is not in the trash, another run has taken its name, or the disk refuses.
    """
    source = workspace.trash / check_name(kept, "run in the trash")
    name = kept.rsplit(".", 1)[0]
    target = workspace.run(name).root
    with runs_locked(workspace.runs):
        if not source.is_dir():
            raise WorkspaceError("There is no such run in the trash", value=kept, todo="choose another one")
        if target.exists():
            raise WorkspaceError("Another run has this name now", value=name, todo="delete that one first")
        _move(source, target)
    return name


def _move(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    except OSError as error:
        raise WorkspaceError(f"The run could not be moved ({error.strerror})", value=source, todo="check the disk") from error


def _existing(workspace: Workspace, name: str) -> Run:
    folder = workspace.run(name).root
    return open_run(folder) if folder.is_dir() else find_run(workspace, name)  # the latter says what there is


# ---- Archives ----


def export_run(workspace: Workspace, name: str, archive: Path) -> int:
    """Write a run as one zip for another workspace: model, settings, manifest, curves, log and evaluations, with a SHA-256
    a file. Return its bytes.

    Raises:
        WorkspaceError: there is no such run, it is at work, the archive exists, or the disk refuses.
    """
    run = _existing(workspace, name)
    if run.status is None or is_working(run.status):
        raise WorkspaceError("Only a run that has ended can be exported", value=name, todo="wait, or stop it first")
    if archive.exists():
        raise WorkspaceError("The archive exists already", value=archive, todo="choose another name")
    root = run.paths.root
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    files = {name: path for name, path in files.items() if not name.startswith(LEFT_OUT)}
    partial = archive.with_name(f".{archive.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            for inside, path in files.items():
                zipped.write(path, inside)
            zipped.writestr(HASHES, json.dumps({inside: sha256_of(path) for inside, path in files.items()}, indent=1))
        partial.replace(archive)
        return archive.stat().st_size
    except OSError as error:
        what = f"The archive could not be written ({error.strerror})"
        raise WorkspaceError(what, value=archive, todo="free some space or choose another folder") from error
    finally:
        partial.unlink(missing_ok=True)


def import_run(workspace: Workspace, archive: Path, name: str) -> RunPaths:
    """Unpack an exported run under a new name, once every file has the hash that the archive states.

    An evaluation finds its pictures again where this workspace has a data set of the same name; otherwise only its scores
    can be looked at.

    Raises:
        DatasetError: no zip, or one with entries that leave the folder.
        WorkspaceError: no exported run, damaged, the name is taken, or the disk refuses.
    """
    paths = workspace.run(name)
    if paths.root.exists():
        raise WorkspaceError("There is a run of this name already", value=name, todo="choose another name")
    workspace.runs.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".import-", dir=workspace.runs) as scratch, new_folder(paths.root) as folder:
        unpack(archive, Path(scratch), max_bytes=MAX_ARCHIVE_BYTES)
        for inside in _intact(Path(scratch), archive):
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / inside).rename(folder / inside)
        stored = stored_status(RunPaths(folder))
        write_json(folder / "status.json", asdict(replace(stored, pid=None, process_created_at=None)))
        for summary in folder.glob("evaluations/*/evaluation.json"):
            _relink(workspace, summary)
    return paths


def _intact(folder: Path, archive: Path) -> list[str]:
    """The files that the archive states, each with its hash checked."""
    damaged = WorkspaceError("The archive is no exported run, or is damaged", value=archive, todo="export it again")
    try:
        stated = dict(read_json(folder / HASHES))
    except (WorkspaceError, TypeError, ValueError) as error:
        raise damaged from error
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {HASHES}
    if found != set(stated) or "status.json" not in found or any(sha256_of(folder / each) != stated[each] for each in found):
        raise damaged
    return sorted(found)


def _relink(workspace: Workspace, summary: Path) -> None:
    content: dict[str, Any] = read_json(summary)
    try:
        here = workspace.dataset(str(content["dataset"]["name"]))
    except (KeyError, TypeError, WorkspaceError):
        return
    if here.is_dir():
        write_json(summary, content | {"dataset": content["dataset"] | {"root": str(here)}})
