"""The Gradio demo without a browser: its command line, its choice of models, the course's functions."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from transformers import SegformerForSemanticSegmentation

from core.cli.command import run_command
from core.config import InputRecipe
from core.data.grid import Grid
from core.data.images import read_image, volume_window, write_png
from core.errors import ConfigError, ImageError, ModelError, WorkspaceError
from core.labels import PALETTE
from core.model.predictor import Predictor
from core.model.segformer import architecture, save_model
from core.runs.library import promote
from core.runs.registry import RunStatus, find_run, write_status
from core.storage.files import write_json
from core.storage.workspace import RunPaths, Workspace
from dashboard.demo import models as segment
from dashboard.demo import serve as demo
from dashboard.demo.models import ModelCache, ModelChoice, Segmenter, choose_model, offered_models
from dashboard.demo.results import model_note
from dashboard.demo.session import Demo

PICTURES = {
    "grey8": (np.uint8, (60, 83)),
    "grey16": (np.uint16, (60, 83)),
    "odd": (np.uint8, (17, 131)),
    "rgb": (np.uint8, (48, 64, 3)),
    "rgba": (np.uint8, (48, 64, 4)),
    "rgba16": (np.uint16, (48, 64, 4)),
}


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny") / "random-b0"
    save_model(SegformerForSemanticSegmentation(architecture("b0")), folder, InputRecipe(image_size=64))
    return Segmenter(choose_model(Workspace(folder.parent), str(folder)))


def _picture(folder: Path, kind: str) -> Path:
    dtype, shape = PICTURES[kind]
    # The range of real 16-bit MR: a small part of what the file could hold.
    pixels = np.random.default_rng(0).integers(0, 4000 if dtype == np.uint16 else 256, shape).astype(dtype)
    path = folder / f"{kind}.png"
    cv2.imwrite(str(path), pixels)
    return path


def _percentages(markdown: str) -> list[float]:
    return [float(value) for value in re.findall(r"\| ([\d.]+) \|$", markdown, re.MULTILINE)]


@pytest.mark.parametrize("kind", PICTURES)
def test_results_have_the_pictures_size_and_are_the_predictors(kind: str, tmp_path: Path, segmenter: Segmenter) -> None:
    path = _picture(tmp_path, kind)
    height, width = PICTURES[kind][1][:2]

    mask, overlay, statistics = demo.predict_gradio(path, segmenter)

    assert mask.shape == overlay.shape == (height, width, 3)
    assert mask.dtype == overlay.dtype == np.uint8
    expected, _ = Predictor.load(segmenter.choice.source).predict_slice(read_image(path))
    np.testing.assert_array_equal(mask, PALETTE[expected])
    assert sum(_percentages(statistics)) == pytest.approx(100, abs=0.02)
    assert f"Of {width} × {height} pixels; spacing unknown, so no volumes." in statistics


def test_a_16_bit_picture_keeps_its_depth(tmp_path: Path, segmenter: Segmenter) -> None:
    path = _picture(tmp_path, "grey16")

    _, overlay, _ = demo.predict_gradio(path, segmenter, organs=[])

    image = read_image(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(overlay[..., 0], volume_window(image).apply(image))
    assert len(np.unique(overlay)) > 200  # crushed to 8 bits first, 4,000 of 65,535 would leave 16


def test_statistics_by_hand() -> None:
    label_map = np.array([[0, 0, 0, 0], [0, 0, 1, 3]], np.uint8)

    lines = demo.get_class_statistics_gradio(label_map).splitlines()

    assert lines[:2] == ["| Class | Pixels | Percent |", "|:--|--:|--:|"]
    assert [re.sub("<.*> ", "", line) for line in lines[2:6]] == [
        "| Background | 6 | 75.00 |",
        "| Stomach | 1 | 12.50 |",
        "| Small bowel | 0 | 0.00 |",
        "| Large bowel | 1 | 12.50 |",
    ]
    assert re.findall("#[0-9a-f]{6}", "".join(lines)) == ["#000000", "#0000ff", "#00ff00", "#ff0000"]
    assert lines[-1].startswith("Of 4 × 2 pixels;")


def test_volumes_by_hand() -> None:
    label_map = np.array([[[0, 1]], [[1, 1]]], np.uint8)

    lines = demo.get_class_statistics_gradio(label_map, grid=Grid(None, (10.0, 50.0, 2.0))).splitlines()

    assert lines[0] == "| Class | Voxels | Percent | ml |"
    assert [line.rpartition("</span> ")[2] for line in lines[2:4]] == [
        "Background | 1 | 25.00 | 1.0 |",
        "Stomach | 3 | 75.00 | 3.0 |",
    ]
    assert lines[-1] == "Of 2 × 1 × 2 voxels; spacing 2 × 50 × 10 mm."


def _bad_pictures(folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.png" for name in ("empty", "text", "damaged", "pixel", "huge")}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("not a picture")
    write_png(paths["damaged"], np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    paths["damaged"].write_bytes(paths["damaged"].read_bytes()[:200])
    write_png(paths["pixel"], np.zeros((1, 1), np.uint8))
    write_png(paths["huge"], np.zeros((6001, 6000), np.uint8))
    return paths


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("empty", "The picture is empty: empty.png; "),
        ("text", "The file is not a picture that can be read: text.png; "),
        ("damaged", "The picture is damaged: damaged.png; "),
        ("pixel", "The picture is too small (1×1 pixels): pixel.png; "),
        ("huge", "The picture is too large (6000×6001 pixels): huge.png; "),
    ],
)
def test_a_bad_picture_gives_the_command_lines_sentence(kind: str, sentence: str, tmp_path: Path, segmenter: Segmenter) -> None:
    path = _bad_pictures(tmp_path)[kind]

    with pytest.raises(ImageError, match=re.escape(sentence)) as shown:
        demo.predict_gradio(path, segmenter)
    with pytest.raises(ImageError) as printed:
        read_image(path)
    assert str(shown.value) == str(printed.value).replace(str(path), path.name)


def test_no_picture_yet(segmenter: Segmenter) -> None:
    with pytest.raises(ImageError, match="There is no picture yet; choose a slice or one of the examples"):
        demo.predict_gradio(None, segmenter)


def _run(workspace: Workspace, name: str, state: str, started_at: float, *, model: bool = True, synthetic: bool = True) -> None:
    paths = RunPaths(workspace.runs / name)
    paths.model.mkdir(parents=True)
    write_status(paths, RunStatus(state, started_at=started_at))  # type: ignore[arg-type]
    write_json(paths.manifest, {"dataset": {"name": "some data", "synthetic": synthetic}})
    if model:
        (paths.model / "config.json").write_text("{}")
        (paths.model / "model.safetensors").write_bytes(b"")


def test_default_is_the_newest_finished_run_with_a_model(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    _run(workspace, "old", "finished", 1)
    _run(workspace, "new", "finished", 2, synthetic=False)
    _run(workspace, "without", "finished", 3, model=False)
    _run(workspace, "failed", "failed", 4)

    assert choose_model(workspace) == ModelChoice("new", workspace.run("new").model, "some data", False)


def test_without_a_run_the_projects_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Workspace(tmp_path / "own")
    _run(own, "demo_run", "finished", 1)
    monkeypatch.setattr(segment, "CARRIED_RUN", own.run("demo_run").root)

    assert choose_model(Workspace(tmp_path / "none")).name == "demo_run"


def test_nothing_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "CARRIED_RUN", tmp_path / "missing")
    with pytest.raises(ModelError, match=r"There is no trained model here yet: .*; run: python -m training fit"):
        choose_model(Workspace(tmp_path))


@pytest.mark.parametrize("form", ["runs/a", "runs/a/model", "a"])
def test_a_run_may_be_a_name_a_folder_or_its_model(form: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    _run(workspace, "a", "finished", 1)

    choice = choose_model(workspace, form if form == "a" else str(tmp_path / form))

    assert choice == ModelChoice("a", workspace.run("a").model, "some data", True)


def test_a_checkpoint_of_a_run_keeps_the_runs_name(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    _run(workspace, "a", "running", 1, model=False)
    path = workspace.run("a").checkpoints / "last.ckpt"
    path.parent.mkdir()
    path.write_bytes(b"")

    assert choose_model(workspace, str(path)) == ModelChoice("a, last.ckpt", path, "some data", True)


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("b", WorkspaceError, "There is no such run: b; runs here: a."),
        ("a", WorkspaceError, "The run has no model yet: a; wait until it has finished, or choose another."),
        ("b.ckpt", ModelError, "The checkpoint does not exist: b.ckpt; check the path, or train first."),
    ],
)
def test_a_run_that_cannot_be_used(name: str, error: type[Exception], sentence: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    _run(workspace, "a", "finished", 1, model=False)
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        choose_model(workspace, name)


def test_every_finished_run_is_offered_the_default_first(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    _run(workspace, "a", "finished", 1)
    _run(workspace, "b", "finished", 2)
    _run(workspace, "c", "running", 3)

    assert [choice.name for choice in offered_models(workspace)] == ["b", "a"]
    assert [choice.name for choice in offered_models(workspace, "a")] == ["a", "b"]


def test_the_run_promoted_last_is_the_default(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for started_at, name in enumerate("abcd"):
        _run(workspace, name, "finished", started_at)
    for name in "ba":
        promote(find_run(workspace, name))

    assert [choice.name for choice in offered_models(workspace)] == ["a", "b", "d", "c"]


def test_a_model_is_chosen_by_its_name_and_never_by_a_path(tmp_path: Path) -> None:
    _run(Workspace(tmp_path), "a", "finished", 1)
    opened = Demo(Workspace(tmp_path))
    assert opened.model(None).name == opened.model("a").name == "a"
    with pytest.raises(ModelError, match=r"^There is no such model: .*; choose one of: a\.$"):
        opened.model(str(tmp_path / "runs/a/model"))


def test_the_cache_keeps_the_models_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(source: Path, config: object) -> Any:
        loaded.append(source.name)
        return type("Loaded", (), {"recipe": source.name})

    monkeypatch.setattr(Predictor, "load", load)
    cache = ModelCache(kept=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.recipe(ModelChoice(name, Path(name))) == name
    assert loaded == ["a", "b", "c", "b"]


def test_a_model_that_was_trained_again_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(Workspace(tmp_path), "a", "finished", 1)
    weights = tmp_path / "runs/a/model/model.safetensors"
    cache, choice = ModelCache(), choose_model(Workspace(tmp_path))
    monkeypatch.setattr(Predictor, "load", lambda source, config: type("Loaded", (), {"recipe": weights.read_bytes()}))
    assert cache.recipe(choice) == b""
    weights.write_bytes(b"new")
    os.utime(weights, ns=(1, 1))
    assert cache.recipe(choice) == b"new"


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (ModelChoice("a", Path(), "phantoms", True), "Trained on synthetic phantoms only (phantoms); do not expect sensible"),
        (ModelChoice("a", Path(), "<b>", False), "Trained on &lt;b&gt;."),
        (ModelChoice("a", Path()), "Training data not recorded."),
    ],
)
def test_the_page_says_what_the_model_saw(choice: ModelChoice, text: str) -> None:
    assert model_note(choice).startswith(text)


def _main_fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run_command(lambda: demo.main(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_share_needs_a_password(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(demo.PASSWORD_VARIABLE, raising=False)
    assert "needs a password; set GUTCHECK_DEMO_PASSWORD or give --password." in _main_fails(["--share"], capsys)
    monkeypatch.setenv(demo.PASSWORD_VARIABLE, "")
    assert "needs a password" in _main_fails(["--share"], capsys)


def test_the_password_comes_from_the_environment_or_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(demo.PASSWORD_VARIABLE, "one long one")
    assert demo.read_options(["--share"]).password == "one long one"
    assert demo.read_options(["--share", "--password", "another one"]).password == "another one"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "only: --host 0.0.0.0; set GUTCHECK_DEMO_PASSWORD or give --password, or leave --host out."),
        (["--password", "        "], "The password is blank; use at least 8 characters."),
        (["--password", ""], "The password is blank; use at least 8 characters."),
        (["--password", "short"], "The password has 5 characters; use at least 8 characters."),
        (["--trusted_proxy", "proxy.example"], "--trusted_proxy is no address: proxy.example; give addresses or networks"),
    ],
)
def test_the_demo_is_no_more_open_than_the_dashboard(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(demo.PASSWORD_VARIABLE, raising=False)
    assert sentence in _main_fails(words, capsys)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--opacity", "1"], "--opacity"),
        (["--port", "many"], "--port wants a whole number, not 'many'; see python -m dashboard.demo --help."),
        (["--port", "70000"], "There is no such port: 70000; use 1 to 65535."),
    ],
)
def test_a_wrong_command_line(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in _main_fails(words, capsys)


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = _main_fails(["--port", str(port)], capsys)
    assert shown.startswith("The server cannot listen here (address already in use")
    assert shown.endswith(f"127.0.0.1:{port}; choose another --port or --host.\n")


def test_a_host_that_is_not_ours() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen here .*: 192\.0\.2\.1:7860; choose another"):
        demo.check_port("192.0.2.1", 7860)


def test_importing_the_demo_loads_neither_torch_nor_gradio() -> None:
    code = "import sys, dashboard.demo.serve; print([m for m in ('torch', 'gradio', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
