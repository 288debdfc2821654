"""A run that comes from elsewhere is data: nothing in it is started, waits, is believed, or leads out of the workspace."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from safetensors.numpy import save_file

from core.charts.overview import overview_table
from core.errors import DatasetError, GutCheckError, JobError, WorkspaceError
from core.runs import evaluation_checks
from core.runs.import_checks import check_file, rule_for
from core.runs.jobs.queue import take_turn
from core.runs.jobs.start import lacks_evaluation, resume_training
from core.runs.library import RunDescription, export_run, import_run, promoted, read_about, write_about
from core.runs.registry import open_run
from core.runs.status import RunStatus, stored_status, write_status
from core.storage.files import read_json, write_json
from core.storage.processes import HOST, ProcessIdentity
from core.storage.workspace import CARRIED_RUN, RunPaths, Workspace
from tests.real_scores import real_scores, real_summary

SECRET = "root:x:0:0:secret"


@pytest.fixture
def source(tmp_path: Path, small_original: Path) -> RunPaths:
    """A run with everything that can be carried: the repository's own, with a real evaluation, and what was said of it."""
    paths = Workspace(tmp_path / "there").run("r1")
    shutil.copytree(CARRIED_RUN, paths.root)
    evaluations = next(path for path in sorted(small_original.glob("runs/*/evaluations")) if any(path.iterdir()))
    shutil.copytree(evaluations, paths.evaluations, dirs_exist_ok=True)
    write_about(paths, RunDescription("A title", "notes", ("mr",), "2026-01-01T00:00:00+00:00"))
    paths.log.write_text("Epoch 1\n")
    paths.output.write_text("said\n")
    return paths


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "here")


def exported(source: RunPaths, tmp_path: Path) -> Path:
    archive = tmp_path / "run.zip"
    export_run(Workspace(source.root.parents[1]), source.root.name, archive)
    return archive


def forged(archive: Path, files: dict[str, bytes]) -> Path:
    """The archive with files put in or replaced, and the hashes that belong to them: anybody can make one."""
    with zipfile.ZipFile(archive) as zipped:
        content = {name: zipped.read(name) for name in zipped.namelist()} | files
    content.pop("hashes.json")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, data in [*content.items(), ("hashes.json", json.dumps(hashes).encode())]:
            zipped.writestr(name, data)
    return archive


def status(**fields: Any) -> bytes:
    return json.dumps({"state": "finished"} | fields).encode()


def test_what_an_export_writes_an_import_reads(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    paths = import_run(here, exported(source, tmp_path), "mine")
    left, came = ({p.relative_to(r.root).as_posix() for p in r.root.rglob("*") if p.is_file()} for r in (source, paths))
    assert came == left
    assert {rule_for(name).names for name in came} >= {r"status\.json", r"model/model\.safetensors", r"metrics\.csv"}
    changed = {name for name in came if (source.root / name).read_bytes() != (paths.root / name).read_bytes()}
    assert {name.split("/")[-1] for name in changed} == {
        "status.json", "about.json", "config.yaml", "manifest.json", "evaluation.json",
    }  # fmt: skip
    (evaluation,) = open_run(paths.root).evaluations()
    assert len(evaluation.scans()) > 0
    assert read_about(paths) == RunDescription("A title", "notes", ("mr",))
    again = exported(paths, tmp_path / "again") if (tmp_path / "again").mkdir() is None else None
    assert open_run(import_run(here, again, "twice").root).status == open_run(paths.root).status


def test_only_what_is_listed_is_taken(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    """The files with which an import took over the queue, stopped runs, and read any file on Resume."""
    words = ["--run", "mine", "--data", "x", "--config", "/etc/passwd"]
    job = json.dumps({"words": words, "queued_at": 0, "places": 1}).encode()
    bad = {"job.json": job, "claim.json": b'{"places": [0], "pid": 1, "process_created_at": 0}', "stop": b"", "stop-now": b""}
    bad |= {"tracker/x": b"1", "checkpoints/last.ckpt": b"1", "learning/reference.png": b"1", ".hidden": b"1", "run.sh": b"1"}
    bad |= {"model/tokenizer.py": b"1", "evaluations/.x/evaluation.json": b"{}", "model/CON": b"1"}
    paths = import_run(here, forged(exported(source, tmp_path), bad), "mine")
    assert [name for name in bad if (paths.root / name).exists()] == []
    assert list(here.runs.glob(".import*")) == []


@pytest.mark.parametrize("state", ["queued", "running", "stopping"])
def test_a_run_that_says_it_waits_is_refused_and_blocks_nobody(
    source: RunPaths, here: Workspace, tmp_path: Path, state: str
) -> None:
    archive = forged(exported(source, tmp_path), {"status.json": status(state=state)})
    with pytest.raises(WorkspaceError, match=r"^A file of the run is not as expected: status\.json; "):
        import_run(here, archive, "mine")
    assert list(here.runs.glob("[!.]*")) == []
    write_json(here.run("own").job, {"words": [], "queued_at": 1, "places": 1})
    write_status(here.run("own"), RunStatus("queued").of_this_process())
    assert take_turn(here, here.run("own")).places == (0,)


def test_an_imported_run_is_nobody_s_process_and_is_not_resumed(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    said = status(state="failed", pid=os.getpid(), host="gpu-node-7", heartbeat_at=9e9, remaining_s=5, message="Because.")
    paths = import_run(here, forged(exported(source, tmp_path), {"status.json": said}), "mine")
    assert stored_status(paths) == RunStatus("failed", message="Because.", imported=True)
    sentence = r"^A run that was imported has no checkpoint to go on from: mine; start a new run with its weights\.$"
    with pytest.raises(JobError, match=sentence):
        resume_training(here, "mine")
    assert not lacks_evaluation(paths, stored_status(paths))
    assert promoted(here) == []  # it was there, and is not here before somebody says so


def test_no_folder_outside_is_looked_into(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    """The data set that a file names would be read, and its pictures shown."""
    for name in ("manifest.json", *(p.relative_to(source.root) for p in source.root.glob("evaluations/*/evaluation.json"))):
        content = read_json(source.root / name)
        write_json(source.root / name, content | {"dataset": content["dataset"] | {"name": "elsewhere", "root": str(tmp_path)}})
    (here.datasets / "small").mkdir(parents=True)
    paths = import_run(here, exported(source, tmp_path), "mine")
    assert str(tmp_path / "there") not in paths.config.read_text()
    for name in (paths.manifest, *paths.root.glob("evaluations/*/evaluation.json")):
        assert read_json(name)["dataset"]["root"] == str(here.datasets / "elsewhere")
    (evaluation,) = open_run(paths.root).evaluations()
    assert here.root in evaluation.dataset_root.parents


def changed(**facts: Any) -> bytes:
    leak = {"kind": "unknown", "leaked": 0, "patients": 1}
    return json.dumps(real_summary(run="r1", split="valid", dataset={"name": "small", "root": "x"}, leak=leak) | facts).encode()


def parquet(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet(index=False))


def test_an_evaluation_of_before_is_carried(tmp_path: Path) -> None:
    """The first version wrote means and counts of organs alone, and their mean."""
    content = json.loads(changed())
    organs = {
        organ: {name: row[name] for name in ("dice", "iou", "scans", "missed", "false_alarm", "absent")}
        for organ, row in content["organs"].items()
    }
    name = "evaluations/small-valid/evaluation.json"
    path = tmp_path / "runs" / "r1" / name
    del content["all_organs"]
    write_json(path, content | {"organs": organs, "macro_dice": 0.5})
    check_file(name, path)
    (evaluation,) = open_run(path.parents[2]).evaluations()
    assert "1 scan" in overview_table(evaluation.summary, leak="unknown").iloc[0]["Stomach"]


def test_every_column_that_is_written_is_checked(source: RunPaths) -> None:
    for table in ("slices", "scans", "errors"):
        path = source.evaluations / "small-valid" / f"{table}.parquet"
        names = pyarrow.parquet.read_schema(path).names
        known = evaluation_checks.COLUMNS[table].keys() | evaluation_checks.LATER
        assert {name for name in names if not name.startswith("nsd_")} <= known
        check_file(f"evaluations/small-valid/{table}.parquet", path)


def killed_process() -> ProcessIdentity:
    """One that was, and is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        process.kill()
    return identity


def test_what_a_killed_import_left_is_swept(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    owners = {f"{killed_process().mark}@{HOST}": False, f"{ProcessIdentity.own().mark}@{HOST}": True, "1-1-00000000@other": True}
    for owner in owners:
        (here.runs / f".import-{owner}.abcd" / "run").mkdir(parents=True)
    import_run(here, exported(source, tmp_path), "mine")
    assert {owner: (here.runs / f".import-{owner}.abcd").exists() for owner in owners} == owners


DEEP = b"[" * 100_000
NAN = b'{"state": "finished", "started_at": NaN}'
ODD = {
    "state": ("status.json", status(state="done")),
    "epoch": ("status.json", status(epoch="many")),
    "time": ("status.json", status(started_at=1e300)),
    "year": ("status.json", status(started_at=-9e10)),
    "half a character": ("status.json", status(message="\ud800")),
    "half a character for a title": ("about.json", b'{"title": "\\ud800", "notes": "", "tags": []}'),
    "a number for a name": ("manifest.json", b'{"dataset": {"name": 1' + b"0" * 4000 + b"}}"),
    "nan": ("status.json", NAN),
    "message": ("status.json", status(message=["x"])),
    "process": ("status.json", status(pid=2**70)),
    "no object": ("status.json", b"[]"),
    "deep": ("manifest.json", DEEP),
    "deep object": ("manifest.json", b'{"splits": ' + b'{"a":' * 50 + b"1" + b"}" * 51),
    "manifest": ("manifest.json", b"[1]"),
    "patients": ("manifest.json", b'{"splits": {"train": {"patients": [1]}}}'),
    "settings": ("config.yaml", b"epochs: -1\n"),
    "settings' kind": ("config.yaml", b"epochs: [x]\n"),
    "settings' text": ("config.yaml", SECRET.encode()),
    "aliases": ("config.yaml", b"a: &a [x, x]\nmodel: [*a, *a, *a]\n"),
    "python": ("config.yaml", b"model: !!python/object/apply:os.system ['true']\n"),
    "curves": ("metrics.csv", b"epoch,<b>\n1,2\n"),
    "curves' kind": ("metrics.csv", b"epoch,valid_f1_organs\n1,high\n"),
    "weights": ("model/model.safetensors", b"weights"),
    "pickle": ("model/model.safetensors", b"\x80\x02}q\x00."),
    "architecture": ("model/config.json", b"[]"),
    "weights elsewhere": ("model/model.onnx", b"\x08\x07\x0a\x08location\x12\x0b/etc/passwd"),
    "about": ("about.json", b"1"),
    "evaluation": ("evaluations/e-valid/evaluation.json", b'{"scans": {"../x": {}}}'),
    "no organs": ("evaluations/small-valid/evaluation.json", changed(organs={})),
    "one number": ("evaluations/small-valid/evaluation.json", changed(organs={}, all_organs=5)),
    "a word for a score": ("evaluations/small-valid/evaluation.json", changed(all_organs={"dice": "good"})),
    "a place that is none": (
        "evaluations/small-valid/evaluation.json",
        changed(scans={"case1": {"patient": "a", "affine": [[1, 2]]}}),
    ),
    "another table": ("evaluations/e-valid/errors.parquet", parquet(real_scores().scans())),
    "a column short": ("evaluations/e-valid/scans.parquet", parquet(real_scores().scans().drop(columns="dice"))),
    "a column of words": ("evaluations/e-valid/slices.parquet", parquet(real_scores().slices().assign(dice="good"))),
    "a later column of words": ("evaluations/e-valid/scans.parquet", parquet(real_scores().scans().assign(hd95_mm="far"))),
    "table": ("evaluations/e-valid/scans.parquet", b"PAR1"),
    "mask": ("evaluations/e-valid/masks/case1.npy.zst", b"x"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_value_that_cannot_be_is_one_sentence(source: RunPaths, here: Workspace, tmp_path: Path, name: str) -> None:
    inside, content = ODD[name]
    archive = forged(exported(source, tmp_path), {inside: content})
    with pytest.raises(WorkspaceError) as raised:
        import_run(here, archive, "mine")
    assert str(raised.value) == f"A file of the run is not as expected: {inside}; leave it out, or make it again."
    assert list(here.runs.glob("[!.]*")) == []


def test_a_file_that_is_far_too_large_is_not_unpacked(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    """A bomb: two megabytes of blanks for a status, or a gigabyte, take no disk."""
    archive = forged(exported(source, tmp_path), {"status.json": status() + b" " * 2_000_000})
    with pytest.raises(
        WorkspaceError, match=r"^A file in the archive is far too large: status\.json; do not use this archive\.$"
    ):
        import_run(here, archive, "mine")


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = (mode | 0o644) << 16
    return made


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("../outside", "leaves the folder"),
        ("/outside", "leaves the folder"),
        ("C:/outside", "leaves the folder"),
        ("Status.json", "comes twice"),
        (entry("model/link", stat.S_IFLNK), "is a link or device"),
        (entry("null", stat.S_IFCHR), "is a link or device"),
    ],
    ids=str,
)
def test_names_that_are_none(source: RunPaths, here: Workspace, tmp_path: Path, added: Any, problem: str) -> None:
    archive = exported(source, tmp_path)
    with zipfile.ZipFile(archive, "a") as zipped:
        zipped.writestr(added, b"/etc/passwd")
    with pytest.raises(DatasetError, match=problem):
        import_run(here, archive, "mine")
    assert list(here.runs.glob("[!.]*")) == []
    assert not (tmp_path / "outside").exists()


def test_an_export_follows_no_link(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    source.output.unlink()
    source.output.symlink_to(tmp_path / "secret")
    with zipfile.ZipFile(exported(source, tmp_path)) as zipped:
        assert "output.log" not in zipped.namelist()


def test_a_training_that_was_killed_is_exported_as_the_failure_that_it_is(
    source: RunPaths, here: Workspace, tmp_path: Path
) -> None:
    write_status(source, RunStatus("running", pid=2**22 + 1, process_created_at=1.0, epoch=2, epochs=5))
    found = stored_status(import_run(here, exported(source, tmp_path), "mine"))
    assert (found.state, found.epoch, found.pid) == ("failed", 2, None)


def test_a_damaged_file_is_said_by_the_export(source: RunPaths, tmp_path: Path) -> None:
    (source.model / "model.safetensors").write_bytes(b"x")
    with pytest.raises(WorkspaceError, match=r"^A file of the run is not as expected: model/model\.safetensors; "):
        exported(source, tmp_path)
    assert list(tmp_path.glob("*.zip")) == []


def test_every_fault_is_of_the_tree(tmp_path: Path) -> None:
    """Whatever stands in a file of any kind, people read one sentence."""
    names = ["status.json", "about.json", "config.yaml", "manifest.json", "metrics.csv", "model/model.safetensors"]
    names += ["model/model.onnx", "evaluations/a/evaluation.json", "evaluations/a/scans.parquet", "evaluations/a/masks/b.npy.zst"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for content in (b"", b"\0" * 99, b"\xff\xfe{", b"{}", b"null", b"1e999", DEEP, b'"' + b"x" * 200_000 + b'"'):
            path.write_bytes(content)
            try:
                check_file(name, path)
            except GutCheckError as error:
                assert name in str(error)  # noqa: PT017 (some of these are harmless)


@pytest.mark.slow
def test_a_run_of_b4_s_size_goes_there_and_back_in_pieces(source: RunPaths, here: Workspace, tmp_path: Path) -> None:
    """64 million weights of 4 bytes; neither way holds more than a few pieces of them in memory."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [64_000_000], "data_offsets": [0, 256_000_000]}}).encode()
    weights = source.model / "model.safetensors"
    with weights.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(np.random.default_rng(0).bytes(2**20))
        file.truncate(8 + len(header) + 256_000_000)
    tracemalloc.start()
    try:
        paths = import_run(here, exported(source, tmp_path), "mine")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (paths.model / "model.safetensors").stat().st_size == weights.stat().st_size
    assert peak < 100_000_000  # the weights alone have 256 MB


def test_small_weights_are_weights(tmp_path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    check_file("model/model.safetensors", tmp_path / "model.safetensors")
