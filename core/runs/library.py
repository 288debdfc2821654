"""What people do with finished runs: name, note, tag and promote them, move them to the trash, and carry them elsewhere."""

import hashlib
import json
import shutil
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from core.data.readers.archive import unpack
from core.errors import WorkspaceError
from core.runs.import_checks import check_file, read_run_settings, rule_for
from core.runs.registry import Run, find_run, list_runs, open_run
from core.runs.status import is_working, stored_status
from core.storage.files import new_folder, read_json, sha256_of, write_json, write_whole
from core.storage.locks import runs_locked
from core.storage.processes import HOST, ProcessIdentity
from core.storage.workspace import CARRIED_RUN, DEMO_NAME, RunPaths, Workspace, check_name

HASHES = "hashes.json"
IMPORTING = ".import-"
"""Begins the name of a folder in which a run is unpacked: ``.import-MARK@MACHINE.``, see `core.storage.processes`."""
MAX_TITLE, MAX_NOTES, MAX_TAG = 120, 10_000, 40
MAX_HASHES_BYTES = 50_000_000


@dataclass(frozen=True)
class RunDescription:
    """``about.json``: what people say of a run."""

    title: str = ""
    """What people call it; the run's name where empty."""
    notes: str = ""
    tags: tuple[str, ...] = ()
    promoted_at: str | None = None
    """UTC, ISO 8601; the demo uses the run that was promoted last."""


def copy_demo_run(workspace: Workspace) -> Run:
    """The run that ships with the project as a run of this workspace, copied there if none has its name.

    Raises:
        WorkspaceError: it is missing, or the disk refuses.
    """
    target = workspace.run(DEMO_NAME).root
    if not CARRIED_RUN.is_dir():
        raise WorkspaceError("The demo's run is missing", value=CARRIED_RUN, todo="run: make demo-weights")
    if not target.exists():
        with new_folder(target) as folder:
            shutil.copytree(CARRIED_RUN, folder, dirs_exist_ok=True)
    return open_run(target)


def read_about(run: RunPaths) -> RunDescription:
    """What people say of a run; nothing where nobody has, or where the file is damaged: it holds no result."""
    try:
        content = read_json(run.about)
        known = {key: value for key, value in content.items() if key in {field.name for field in fields(RunDescription)}}
        return _checked(RunDescription(**known | {"tags": tuple(known.get("tags", ()))}))
    except (WorkspaceError, TypeError, AttributeError):
        return RunDescription()


def write_about(run: RunPaths, about: RunDescription) -> None:
    """Store what people say of a run.

    Raises:
        WorkspaceError: a text that is too long, or the disk refuses.
    """
    if not run.root.is_dir():
        raise WorkspaceError("There is no such run any more", value=run.root.name, todo="choose another one")
    tags = tuple(dict.fromkeys(tag.strip() for tag in about.tags if tag.strip()))
    write_json(run.about, asdict(_checked(replace(about, title=about.title.strip(), tags=tags))))


def _checked(about: RunDescription) -> RunDescription:
    for what, text, limit in (
        ("title", about.title, MAX_TITLE),
        ("notes", about.notes, MAX_NOTES),
        *(("tag", tag, MAX_TAG) for tag in about.tags),
    ):
        if not isinstance(text, str) or len(text) > limit:
            raise WorkspaceError(
                f"The {what} of a run is too long", value=str(text)[:40], todo=f"use at most {limit:,} characters"
            )
    if about.promoted_at is not None and not (isinstance(about.promoted_at, str) and len(about.promoted_at) <= MAX_TAG):
        raise WorkspaceError("The time of a promotion is none", value=str(about.promoted_at)[:40], todo="promote the run again")
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
    a file; what `core.runs.import_checks` lists, and no pictures of patients. Return its bytes.

    Raises:
        WorkspaceError: there is no such run, it is at work, one of its files is damaged, the archive exists, or the disk refuses.
    """
    run = _existing(workspace, name)
    if run.status is None or is_working(run.status):
        raise WorkspaceError("Only a run that has ended can be exported", value=name, todo="wait, or stop it first")
    if archive.exists():
        raise WorkspaceError("The archive exists already", value=archive, todo="choose another name")
    files = _carried(run)
    partial = archive.with_name(f".{archive.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as zipped:
            for inside, path in files.items():
                zipped.write(path, inside)
            hashes = {inside: sha256_of(path) for inside, path in files.items()}
            # As it reads here: of a training that was killed the file still says that it is running.
            said = json.dumps(asdict(run.status.of_process(None)), indent=2).encode()
            zipped.writestr("status.json", said)
            hashes["status.json"] = hashlib.sha256(said).hexdigest()
            zipped.writestr(HASHES, json.dumps(hashes, indent=1))
        partial.replace(archive)
        return archive.stat().st_size
    except OSError as error:
        what = f"The archive could not be written ({error.strerror})"
        raise WorkspaceError(what, value=archive, todo="free some space or choose another folder") from error
    finally:
        partial.unlink(missing_ok=True)


def _carried(run: Run) -> dict[str, Path]:
    """The files that an archive holds, by their path below the run's folder; each is as `import_run` wants it.

    Neither links nor evaluations that no page can read are among them.

    Raises:
        WorkspaceError: one is damaged.
    """
    root = run.paths.root.resolve()
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    readable = {evaluation.name for evaluation in run.evaluations()}
    carried = {
        inside: path
        for inside, path in found.items()
        if rule_for(inside)
        and inside != "status.json"
        and path.resolve() == path
        and (inside[:12] != "evaluations/" or inside.split("/")[1] in readable)
    }
    for inside, path in carried.items():
        check_file(inside, path)
    return carried


def import_run(workspace: Workspace, archive: Path, name: str) -> RunPaths:
    """Unpack an exported run under a new name, once every file has the hash that the archive states.

    Only what `core.runs.import_checks` lists is taken, and only as it says: nothing that came from elsewhere is started, waits in
    the queue, is used by the demo before somebody here says so, or names a folder outside this workspace. An evaluation finds its
    pictures again where this workspace has a data set of the same name; otherwise only its scores can be looked at.

    Raises:
        DatasetError: no zip, or one with entries that leave the folder.
        WorkspaceError: no exported run, damaged, the name is taken, or the disk refuses.
    """
    paths = workspace.run(name)
    _check_free(paths)
    try:
        workspace.runs.mkdir(parents=True, exist_ok=True)
        _sweep(workspace.runs)
        with TemporaryDirectory(prefix=f"{IMPORTING}{ProcessIdentity.own().mark}@{HOST}.", dir=workspace.runs) as scratch:
            folder = Path(scratch) / "run"
            folder.mkdir()
            _unpack(archive, folder)
            _settle(workspace, RunPaths(folder))
            with runs_locked(workspace.runs):
                _check_free(paths)
                folder.rename(paths.root)
    except OSError as error:
        what = f"The run could not be brought here ({error.strerror or error})"
        raise WorkspaceError(what, value=archive, todo="free some space, or check the permissions") from error
    return paths


def _sweep(runs: Path) -> None:
    """Remove what imports of this machine left half unpacked when they were killed."""
    for folder in runs.glob(f"{IMPORTING}*@{HOST}.*"):
        with suppress(ValueError):
            if not ProcessIdentity.from_mark(folder.name.removeprefix(IMPORTING).split("@")[0]).lives():
                shutil.rmtree(folder, ignore_errors=True)


def _check_free(paths: RunPaths) -> None:
    if paths.root.exists():
        raise WorkspaceError("There is a run of this name already", value=paths.root.name, todo="choose another name")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack those files of an exported run that are taken, each with its hash and content checked."""
    listed = _listed(archive)
    sizes = {inside: size for inside, size in listed.items() if rule_for(inside)}
    for inside, size in sizes.items():
        rule = rule_for(inside)
        if rule is None or size > rule.max_bytes:
            raise WorkspaceError("A file in the archive is far too large", value=inside, todo="do not use this archive")
    size = sum(sizes.values()) + min(listed.get(HASHES, 0), MAX_HASHES_BYTES)
    unpack(archive, folder, max_bytes=size, only={*sizes, HASHES})
    try:
        stated = dict(read_json(folder / HASHES))
    except (WorkspaceError, TypeError, ValueError) as error:
        raise _damaged(archive) from error
    if set(listed) - {HASHES} != set(stated) or "status.json" not in stated:
        raise _damaged(archive)
    if any(sha256_of(folder / inside) != stated[inside] for inside in sizes):
        raise _damaged(archive)
    (folder / HASHES).unlink()
    for inside in sizes:
        check_file(inside, folder / inside)


def _listed(archive: Path) -> dict[str, int]:
    """The files of an archive with their stated sizes."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            return {entry.filename: entry.file_size for entry in zipped.infolist() if not entry.is_dir()}
    except FileNotFoundError as error:
        raise WorkspaceError("The archive does not exist", value=archive, todo="check the path") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(archive) from error


def _damaged(archive: Path) -> WorkspaceError:
    return WorkspaceError("The archive is no exported run, or is damaged", value=archive, todo="export it again")


def _settle(workspace: Workspace, run: RunPaths) -> None:
    """Make a run from elsewhere one of this workspace: nobody's process, not promoted, with this workspace's data sets."""
    status = stored_status(run).of_process(None)
    write_json(run.status, asdict(replace(status, heartbeat_at=None, remaining_s=None, imported=True)))
    if run.about.exists():
        write_about(run, replace(read_about(run), promoted_at=None))
    if run.config.exists():
        settings = read_run_settings(run.config)
        home = Path(settings["data"]).name if "data" in settings else ""
        settings |= {"data": _here(workspace, home)} if home else {}
        write_whole(run.config, yaml.safe_dump(settings, sort_keys=False).encode())
    for content in (run.manifest, *run.evaluations.glob("*/evaluation.json")):
        if content.exists():
            _relink(workspace, content)


def _here(workspace: Workspace, *names: str) -> str:
    """Where a data set of one of these names lies in this workspace, or would."""
    possible = []
    for name in names:
        with suppress(WorkspaceError):
            possible.append(workspace.dataset(name))
    possible.append(workspace.datasets / "unknown")
    return str(next((folder for folder in possible if folder.is_dir()), possible[0]))


def _relink(workspace: Workspace, path: Path) -> None:
    """Have a file name the data set of this workspace: a folder that a file from elsewhere names is not looked into."""
    content: dict[str, Any] = read_json(path)
    dataset = content.get("dataset")
    if isinstance(dataset, dict):
        names = str(dataset.get("name")), Path(str(dataset.get("root"))).name
        write_json(path, content | {"dataset": dataset | {"root": _here(workspace, *names)}})
