"""What the browser gets: unpacked here as the viewer does, and compared with the files."""

import gzip
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.data.grid import Grid
from core.data.images import volume_window, write_png
from core.data.index import load_index
from core.data.manifest import ScanInfo, read_manifest
from core.data.masks import write_label_volume
from core.data.scan import Scan
from core.data.volume import GreyScale
from core.errors import MaskError, WorkspaceError
from core.imaging.scan_payload import payload_etag, scan_payload
from core.runs.registry import Evaluation, open_run
from core.storage.files import sha256_of_array, write_json
from core.storage.workspace import Workspace
from tests.real_scores import real_summary

SCAN = "case1_day0"


@pytest.fixture
def source(tmp_path: Path, write_dataset) -> Scan:
    stems = [f"{SCAN}_slice_{number:04d}" for number in (7, 8, 9)]
    return load_index(write_dataset(tmp_path / "tiny", train=["case2_day0_slice_0001"], valid=stems)).scan("valid", SCAN)


@pytest.fixture
def prediction() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4, (3, 20, 24)).astype(np.uint8)


@pytest.fixture
def evaluation(workspace: Workspace, tmp_path: Path, source: Scan, prediction: np.ndarray) -> Evaluation:
    paths = workspace.run("r1").evaluation("tiny-valid")
    write_label_volume(paths.mask(SCAN), prediction)
    facts = {
        "patient": "case1",
        "slice_numbers": [7, 8, 9],
        "spacing_mm": [3.0, 1.5, 1.5],
        "native_size": None,
        "image_sha256": sha256_of_array(source.read_image()),
        "reference_sha256": sha256_of_array(source.read_labels()),
        "prediction_sha256": sha256_of_array(prediction),
    }
    summary = {
        "dataset": {"name": "tiny", "root": str(tmp_path / "tiny")},
        "split": "valid",
        "leak": {"kind": "patient-clean", "leaked": 0, "patients": 1},
        "scans": {SCAN: facts},
    }
    write_json(paths.summary, real_summary(**summary))
    return open_run(workspace.run("r1").root).evaluation("tiny-valid")


def opened(body: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and what follows it."""
    raw = gzip.decompress(body)
    assert raw[:8] == b"GCSCAN4\0"
    (length,) = struct.unpack("<I", raw[8:12])
    header = json.loads(raw[12 : 12 + length])
    assert header["bytes"] == len(raw) - 12 - length
    return header, raw[12 + length :]


def unpack(body: bytes) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    header, raw = opened(body)
    voxels = np.frombuffer(raw, np.uint8).reshape(2, *header["shape"])
    return header, voxels[0], voxels[1]


def test_unpacked_it_is_what_the_files_hold(evaluation: Evaluation, source: Scan, prediction: np.ndarray) -> None:
    header, image, labels = unpack(scan_payload(evaluation, SCAN).body)
    volume = source.read_image()
    np.testing.assert_array_equal(image, volume_window(volume).apply(volume))
    np.testing.assert_array_equal(labels & 3, source.read_labels())
    np.testing.assert_array_equal(labels >> 2, prediction)
    assert header["shape"] == [3, 20, 24]


def test_the_header(evaluation: Evaluation) -> None:
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    assert header["slice_numbers"] == [7, 8, 9]
    assert header["spacing_mm"] == header["step"] == [3.0, 1.5, 1.5]
    assert header["leak"] == "patient-clean"
    assert header["organs"][0] == {"id": 1, "name": "stomach", "title": "Stomach", "rgb": [0, 0, 255]}
    assert [kind["name"] for kind in header["error_kinds"]] == ["agreement", "missed", "extra", "swapped"]
    assert header["image"] == evaluation.summary["scans"][SCAN]["image_sha256"]
    assert (header["reference"], header["orientation"]) == (True, None)


def test_the_orientation_is_what_the_data_set_states(evaluation: Evaluation, tmp_path: Path) -> None:
    grid = Grid.of(np.array([[0, 0, 1.5, 0], [3.0, 0, 0, 0], [0, -1.5, 0, 0], [0, 0, 0, 1]]))
    manifest = replace(read_manifest(tmp_path / "tiny"), scans={SCAN: ScanInfo(affine=grid.affine)})
    write_json(tmp_path / "tiny" / "dataset.json", manifest.to_json())
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    assert header["orientation"] == "PIL"


def test_nothing_is_measured_along_sheared_axes(evaluation: Evaluation, tmp_path: Path) -> None:
    grid = Grid.of(np.array([[0, 0, 1.5, 0], [1.0, 1.5, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]]))
    manifest = replace(read_manifest(tmp_path / "tiny"), scans={SCAN: ScanInfo(affine=grid.affine)})
    write_json(tmp_path / "tiny" / "dataset.json", manifest.to_json())
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    assert (header["spacing_mm"], header["orientation"]) == (None, "IPL")


def test_what_intensities_stand_for(evaluation: Evaluation, tmp_path: Path) -> None:
    assert unpack(scan_payload(evaluation, SCAN).body)[0]["grey"] == [1.0, 0.0]
    info = ScanInfo(grey=GreyScale(slope=0.5, intercept=-1024.0))
    write_json(tmp_path / "tiny" / "dataset.json", replace(read_manifest(tmp_path / "tiny"), scans={SCAN: info}).to_json())
    assert unpack(scan_payload(evaluation, SCAN).body)[0]["grey"] == [0.5, -1024.0]


@pytest.mark.parametrize(("spacing", "step"), [([3.0, 1.5, 1.5], [3.0, 3.0, 0.75]), (None, [1.0, 2.0, 0.5])])
def test_steps_are_those_of_the_stored_voxels(evaluation: Evaluation, spacing: list[float] | None, step: list[float]) -> None:
    """Of native pixels, where the spacing is unknown."""
    evaluation.summary["scans"][SCAN] |= {"native_size": [40, 12], "spacing_mm": spacing}
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    assert (header["spacing_mm"], header["step"]) == (spacing, step)


def test_the_header_tells_the_window_of_the_image(evaluation: Evaluation, source: Scan) -> None:
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    volume = source.read_image()
    own = volume_window(volume)
    assert header["window"] == {"low": own.low, "high": own.high, "min": volume.min(), "max": volume.max()}


def test_without_tables_there_is_neither_confidence_nor_a_region(evaluation: Evaluation) -> None:
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    assert (header["confidence"], header["regions"]) == (None, [])


def test_confidence_and_regions_come_from_the_evaluations_tables(evaluation: Evaluation) -> None:
    rows = [(SCAN, 0, "stomach", 0.75), (SCAN, 2, "stomach", 0.5), (SCAN, 1, "stomach", None), ("other", 1, "stomach", 1.0)]
    pd.DataFrame(rows, columns=["scan", "position", "organ", "confidence"]).to_parquet(evaluation.paths.slices)
    sizes = {"scan": SCAN, "organ": "stomach", "kind": ["boundary", "missed_part"], "voxels": [3, 90]}
    places = pd.DataFrame({**sizes, "position": [0, 2], "slice": [7, 9], "x": [4, 5], "y": [6, 7]})
    places.to_parquet(evaluation.paths.errors)
    header, _, _ = unpack(scan_payload(evaluation, SCAN).body)
    assert header["confidence"] == {"stomach": [0.75, None, 0.5]}
    largest = {"organ": "stomach", "kind": "missed_part", "voxels": 90, "x": 5, "y": 7, "z": 2}
    assert header["regions"] == [largest, {"organ": "stomach", "kind": "boundary", "voxels": 3, "x": 4, "y": 6, "z": 0}]


def test_the_intensities_are_the_image_as_it_is_stored(evaluation: Evaluation, source: Scan) -> None:
    header, raw = opened(scan_payload(evaluation, SCAN, "intensities").body)
    volume = np.frombuffer(raw, np.dtype(header["dtype"]).newbyteorder("<")).reshape(header["shape"])
    np.testing.assert_array_equal(volume, source.read_image())
    assert volume.dtype == source.read_image().dtype


def test_sixteen_bits_survive(evaluation: Evaluation, source: Scan) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (3, 20, 24)).astype(np.uint16)
    for one, pixels in zip(source.slices, deep, strict=True):
        write_png(one.image, pixels)
    evaluation.summary["scans"][SCAN]["image_sha256"] = sha256_of_array(deep)
    header, raw = opened(scan_payload(evaluation, SCAN, "intensities").body)
    assert header["dtype"] == "uint16"
    np.testing.assert_array_equal(np.frombuffer(raw, "<u2").reshape(deep.shape), deep)


def test_the_labels_alone_read_no_picture(evaluation: Evaluation, source: Scan, prediction: np.ndarray) -> None:
    maps = source.read_labels() | (prediction << 2)
    for one in source.slices:
        one.image.write_bytes(b"")
    header, raw = opened(scan_payload(evaluation, SCAN, "labels").body)
    np.testing.assert_array_equal(np.frombuffer(raw, np.uint8).reshape(header["shape"]), maps)


def test_the_same_scan_gives_the_same_bytes(evaluation: Evaluation) -> None:
    assert scan_payload(evaluation, SCAN) == scan_payload(evaluation, SCAN)


def test_the_tag_needs_no_picture_and_changes_with_each_part(evaluation: Evaluation) -> None:
    tag = payload_etag(evaluation, SCAN)
    assert scan_payload(evaluation, SCAN).etag == tag
    facts = evaluation.summary["scans"][SCAN]
    tags = {tag}
    for key in ("image_sha256", "reference_sha256", "prediction_sha256"):
        kept, facts[key] = facts[key], "0" * 64
        tags.add(payload_etag(evaluation, SCAN))
        facts[key] = kept
    evaluation.summary["created_at"] = "2026-11-22T12:00:00+00:00"
    tags.add(payload_etag(evaluation, SCAN))
    assert len(tags) == 5


def test_no_such_scan(evaluation: Evaluation) -> None:
    with pytest.raises(
        WorkspaceError, match=r"^The evaluation tiny-valid of r1 has no such scan: case9_day0; choose one of its scans\.$"
    ):
        scan_payload(evaluation, "case9_day0")


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_files_that_changed_since(evaluation: Evaluation, source: Scan, kind: str) -> None:
    write_png(getattr(source.slices[1], kind), np.ones((20, 24), np.uint8))
    sentence = rf"^Scan {SCAN} has changed since it was evaluated: .*/tiny; evaluate the run again\.$"
    with pytest.raises(WorkspaceError, match=sentence):
        scan_payload(evaluation, SCAN)


@pytest.mark.parametrize("shape", [(3, 20, 24), (2, 20, 24)])
def test_a_prediction_that_is_another(evaluation: Evaluation, shape: tuple[int, int, int]) -> None:
    write_label_volume(evaluation.paths.mask(SCAN), np.zeros(shape, np.uint8))
    with pytest.raises(WorkspaceError, match="has changed since it was evaluated"):
        scan_payload(evaluation, SCAN)


def test_a_prediction_that_is_gone(evaluation: Evaluation) -> None:
    evaluation.paths.mask(SCAN).unlink()
    with pytest.raises(MaskError, match=r"^A predicted mask is missing: .*; evaluate the run again\.$"):
        scan_payload(evaluation, SCAN)
