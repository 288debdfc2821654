"""A workspace that was copied or moved reads its own data set."""

import shutil
from pathlib import Path

from core.imaging.scan_payload import scan_payload
from core.runs.registry import open_run
from core.storage.workspace import Workspace
from tests.browser.small_workspace import RUN, SCANS, small_workspace


def test_a_copy_of_a_workspace_reads_its_own_data_set(tmp_path: Path) -> None:
    made = small_workspace(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    copied = open_run(Workspace(tmp_path / "there" / "workspace").run(RUN).root).evaluation(made.name)
    own = tmp_path / "there" / "workspace" / "datasets" / "small"
    assert copied.dataset_root == own
    (own / "dataset.json").write_text("{}")  # another data set of that name
    assert copied.dataset_root == made.dataset_root


def test_a_workspace_that_was_moved_finds_its_data_set(tmp_path: Path) -> None:
    made = small_workspace(tmp_path / "here")
    stated = made.dataset_root
    (tmp_path / "here").rename(tmp_path / "there")
    moved = open_run(Workspace(tmp_path / "there" / "workspace").run(RUN).root).evaluation(made.name)
    assert moved.dataset_root == tmp_path / "there" / "workspace" / "datasets" / "small"
    assert scan_payload(moved, SCANS[0], "scan").body  # the same pictures by their hashes
    moved.dataset_root.rename(tmp_path / "elsewhere")
    assert moved.dataset_root == stated  # the sentence on what is gone names where it was
