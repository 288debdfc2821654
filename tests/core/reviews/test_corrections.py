"""Corrected masks: what is written, what it is bound to, and what is never touched."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.index import load_index
from core.data.masks import read_label_volume
from core.errors import MaskError, ReviewError, WorkspaceError
from core.reviews.corrections import correction_path, corrections_of, read_correction, save_correction, subject_of
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.files import sha256_of_array
from core.storage.workspace import Workspace
from tests.browser.small_workspace import RUN, SCANS

SCAN = SCANS[0]


@pytest.fixture
def workspace(small_copy: Path) -> Workspace:
    return Workspace(small_copy)


@pytest.fixture
def evaluation(workspace: Workspace) -> Evaluation:
    return open_run(workspace.run(RUN).root).evaluation("small-valid")


@pytest.fixture
def store(workspace: Workspace) -> Iterator[ReviewStore]:
    opened = ReviewStore.open(workspace.reviews_db)
    yield opened
    opened.close()


@pytest.fixture
def save(workspace: Workspace, store: ReviewStore, evaluation: Evaluation):
    def run(volume: np.ndarray, base: str = "prediction", reader: str = "Dr. Ada", seconds: float = 61.5, **more):
        return save_correction(workspace, store, evaluation, SCAN, volume, base=base, reader=reader, seconds=seconds, **more)

    return run


@pytest.fixture
def prediction(evaluation: Evaluation) -> np.ndarray:
    return read_label_volume(evaluation.paths.mask(SCAN))


def changed(volume: np.ndarray, count: int, organ: int = 2) -> np.ndarray:
    """The volume with so many background voxels of its first slice given to an organ."""
    drawn = volume.copy()
    drawn[0].ravel()[:count] = organ
    return drawn


def test_a_saved_correction_is_read_back_exactly_and_says_where_it_comes_from(
    save, workspace, store, evaluation, prediction
) -> None:
    drawn = changed(prediction, 7)
    version = save(drawn)
    np.testing.assert_array_equal(read_correction(workspace, version.mask_sha256), drawn)
    assert version.mask_sha256 == sha256_of_array(drawn)
    assert version.base_sha256 == sha256_of_array(prediction) == subject_of(evaluation, SCAN).mask_sha256
    assert (version.reader, version.seconds, version.changed_voxels) == ("Dr. Ada", 61.5, 7)
    assert corrections_of(store, subject_of(evaluation, SCAN)) == [version]
    assert store.verify() is None


def test_versions_build_on_each_other_newest_first(save, store, evaluation, prediction) -> None:
    first = save(changed(prediction, 5))
    second = save(changed(prediction, 9), base=first.mask_sha256, reader="Dr. Bo")
    assert (second.base_sha256, second.changed_voxels) == (first.mask_sha256, 4)
    assert [each.reader for each in corrections_of(store, subject_of(evaluation, SCAN))] == ["Dr. Bo", "Dr. Ada"]


def test_the_reference_and_an_empty_mask_are_bases_too(save, evaluation, prediction) -> None:
    reference = load_index(evaluation.dataset_root).scan("valid", SCAN).read_labels()
    from_reference = save(changed(reference, 3), base="reference")
    assert (from_reference.base_sha256, from_reference.changed_voxels) == (sha256_of_array(reference), 3)
    from_nothing = save(changed(np.zeros_like(prediction), 2), base="empty")
    assert (from_nothing.base_sha256, from_nothing.changed_voxels) == (sha256_of_array(np.zeros_like(prediction)), 2)


def test_reference_and_prediction_stay_as_they_are(save, evaluation, prediction) -> None:
    files = [evaluation.paths.mask(SCAN), *evaluation.dataset_root.rglob("*.png")]
    before = {path: path.read_bytes() for path in files}
    save(changed(prediction, 7))
    save(changed(prediction, 8), base="reference")
    assert {path: path.read_bytes() for path in files} == before


def test_the_same_correction_sent_twice_is_one_event(save, store, evaluation, prediction) -> None:
    first = save(changed(prediction, 7), event_id="abc")
    assert save(changed(prediction, 7), event_id="abc") == first
    assert len(corrections_of(store, subject_of(evaluation, SCAN))) == 1


def test_a_correction_taken_back_is_no_version(save, store, evaluation, prediction) -> None:
    save(changed(prediction, 7))
    (event,) = store.scan_review(subject_of(evaluation, SCAN)).corrections
    store.withdraw(event, reader="Dr. Ada")
    assert corrections_of(store, subject_of(evaluation, SCAN)) == []


def test_a_version_belongs_to_the_image_it_was_drawn_on(save, store, evaluation, prediction) -> None:
    save(changed(prediction, 7))
    assert corrections_of(store, replace(subject_of(evaluation, SCAN), image_sha256="0" * 64)) == []


@pytest.mark.parametrize("base", ["", "other", "0" * 64, "../../etc/passwd"])
def test_an_unknown_base_is_refused_and_nothing_is_written(save, workspace, store, evaluation, prediction, base: str) -> None:
    with pytest.raises(MaskError, match="no such correction to begin with"):
        save(changed(prediction, 7), base=base)
    assert not workspace.corrections.exists()
    assert corrections_of(store, subject_of(evaluation, SCAN)) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"volume": lambda v: v[:-1]}, MaskError, "another size than its image"),
        ({"volume": lambda v: np.full_like(v, 7)}, MaskError, "unknown class 7"),
        ({"reader": " "}, ReviewError, "This is no reader's name"),
        ({"seconds": float("nan")}, ReviewError, "impossible size or time"),
        ({"seconds": -1.0}, ReviewError, "impossible size or time"),
    ],
)
def test_bad_corrections_are_refused(save, store, evaluation, prediction, change: dict, error: type, message: str) -> None:
    volume = change.pop("volume", lambda v: v)(changed(prediction, 7))
    with pytest.raises(error, match=message):
        save(volume, **change)
    assert corrections_of(store, subject_of(evaluation, SCAN)) == []


def test_a_reference_that_changed_since_is_no_base(workspace, store, evaluation, prediction) -> None:
    scans = evaluation.summary["scans"]
    older = replace(evaluation, summary=evaluation.summary | {"scans": {SCAN: scans[SCAN] | {"reference_sha256": "0" * 64}}})
    with pytest.raises(WorkspaceError, match="has changed since it was evaluated"):
        save_correction(workspace, store, older, SCAN, prediction, base="reference", reader="Dr. Ada", seconds=1.0)


def test_a_damaged_or_exchanged_file_is_noticed(save, workspace, prediction, damage: Callable[[Path], Path]) -> None:
    version, other = save(changed(prediction, 7)), save(changed(prediction, 8))
    path = correction_path(workspace, version.mask_sha256)
    shutil.copy(correction_path(workspace, other.mask_sha256), path)
    with pytest.raises(MaskError, match="not the one that was saved"):
        read_correction(workspace, version.mask_sha256)
    damage(path)
    with pytest.raises(MaskError, match="missing or damaged"):
        read_correction(workspace, version.mask_sha256)


def test_file_and_folder_are_on_disk_before_the_event(
    save, workspace, store, prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []
    fsync = os.fsync

    def noted(file: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{file}"), len(store.history())))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    version = save(changed(prediction, 7))
    before_the_event = [Path(path) for path, events in synced if events == 0]
    hidden, *folders = before_the_event
    assert hidden.parent == workspace.corrections
    assert version.mask_sha256 in hidden.name
    assert folders == [workspace.corrections, workspace.root]


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_saved_where_the_workspace_was_removed_or_replaced(save, workspace, store, prediction, replaced: bool) -> None:
    save(changed(prediction, 5))
    aside = workspace.root.with_name("aside")
    workspace.root.rename(aside)
    if replaced:
        shutil.copytree(aside, workspace.root)
    with pytest.raises(ReviewError, match=r"^The review store was removed or replaced while GutCheck was running: "):
        save(changed(prediction, 7))
    assert workspace.root.exists() == replaced
    assert len(list((aside / "corrections").iterdir())) == 1
    assert len(store.history()) == 1


def test_one_s_own_correction_under_another_spelling(save, store, evaluation, prediction) -> None:
    save(changed(prediction, 5), reader="Dr. Ada")
    assert save(changed(prediction, 6), reader="DR.  ada").reader == "Dr. Ada"


@pytest.mark.parametrize("name", ["", "../reviews.db", "A" * 64, "0" * 63])
def test_only_a_hash_names_a_file(workspace: Workspace, name: str) -> None:
    with pytest.raises(MaskError, match="This is no correction"):
        correction_path(workspace, name)
