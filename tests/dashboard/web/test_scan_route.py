"""The binary route: what it sends, how it may be kept, and what it refuses."""

import gzip
import json
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data.images import volume_window
from core.data.index import load_index
from core.data.masks import read_label_volume
from core.errors import DatasetError, WorkspaceError
from core.imaging.scan_payload import MAGIC, Part, ScanPayload, payload_etag, scan_payload
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from dashboard.web import scan_route
from dashboard.web.scan_route import Packer, image_url, scan_routes, scan_url
from tests.browser.small_workspace import (
    DEPTH,
    FIRST_SLICE,
    HEIGHT,
    RUN,
    SCANS,
    WIDTH,
    small_workspace,
    unlabelled_dataset,
)

SCAN = SCANS[0]


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return small_workspace(tmp_path_factory.mktemp("route"))


@pytest.fixture
def own_evaluation(tmp_path: Path) -> Evaluation:
    """For a test that damages it."""
    return small_workspace(tmp_path)


def client_of(evaluation: Evaluation) -> TestClient:
    return TestClient(Starlette(routes=scan_routes(Workspace(evaluation.paths.root.parents[3]))))


@pytest.fixture
def client(evaluation: Evaluation) -> TestClient:
    return client_of(evaluation)


def unpack(content: bytes) -> tuple[dict[str, object], np.ndarray, np.ndarray]:
    """Header, image and packed labels of an unpacked payload."""
    assert content[:8] == MAGIC
    (length,) = struct.unpack("<I", content[8:12])
    volumes = np.frombuffer(content[12 + length :], np.uint8).reshape(2, DEPTH, HEIGHT, WIDTH)
    return json.loads(content[12 : 12 + length]), volumes[0], volumes[1]


def test_a_scan_arrives_as_it_was_evaluated(client: TestClient, evaluation: Evaluation) -> None:
    answer = client.get(scan_url(evaluation, SCAN))
    header, image, labels = unpack(answer.content)
    source = load_index(evaluation.dataset_root).scan("valid", SCAN)
    volume = source.read_image()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert header["slice_numbers"] == list(range(FIRST_SLICE, FIRST_SLICE + DEPTH))
    np.testing.assert_array_equal(image, volume_window(volume).apply(volume))
    np.testing.assert_array_equal(labels & 3, source.read_labels())
    np.testing.assert_array_equal(labels >> 2, read_label_volume(evaluation.paths.mask(SCAN)))


def test_only_an_address_with_this_version_is_kept_for_good(client: TestClient, evaluation: Evaluation) -> None:
    url = scan_url(evaluation, SCAN)
    assert client.get(url).headers["cache-control"] == "private, max-age=31536000, immutable"
    assert client.get(url.split("?")[0]).headers["cache-control"] == "no-cache"
    assert client.get(url[:-1]).headers["cache-control"] == "no-cache"


def test_an_unchanged_scan_is_not_sent_again(client: TestClient, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Packer, "pack", lambda *args: pytest.fail("packed"))
    etag = payload_etag(evaluation, SCAN)
    for known in (f'"{etag}"', f'W/"{etag}"', f'"old", "{etag}"'):
        answer = client.get(scan_url(evaluation, SCAN), headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{etag}"'


def test_another_site_gets_no_permission(client: TestClient, evaluation: Evaluation) -> None:
    answer = client.get(scan_url(evaluation, SCAN), headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (f"none/small-valid/{SCAN}", 404, "There is no such run: none; runs here: stub."),
        (f"{RUN}/none/{SCAN}", 404, "has no such evaluation"),
        (f"{RUN}/small-valid/case9_day9", 404, "has no such scan: case9_day9"),
        (f".hidden/small-valid/{SCAN}", 400, "This is no run"),
        (f"{RUN}/small-valid/{'a' * 121}", 400, "This is no scan"),
        (f"{RUN}/small-valid/{'a' * 5000}", 400, "This is no scan"),
        (f"{RUN}/small-valid/a b", 400, "This is no scan"),
        (f"{RUN}/small-valid/a%00b", 400, "This is no scan"),
        (f"{RUN}/small-valid/..%5Ccase", 400, "This is no scan"),
        (f"{RUN}/%2e%2e/{SCAN}", 400, "This is no evaluation"),
        (f"%2e%2e/small-valid/{SCAN}", 400, "This is no run"),
    ],
)
def test_refusals_are_one_sentence(client: TestClient, path: str, status: int, sentence: str) -> None:
    answer = client.get(f"{scan_route.PREFIX}/{path}")
    assert answer.status_code == status
    assert sentence in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("part", ["intensities", "labels"])
def test_the_parts_of_a_scan(client: TestClient, evaluation: Evaluation, part: Part) -> None:
    answer = client.get(f"{scan_url(evaluation, SCAN)}&part={part}")
    assert answer.content == gzip.decompress(scan_payload(evaluation, SCAN, part).body)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("part", ["", "16", "../labels", "labels%00"])
def test_no_other_part_can_be_asked_for(client: TestClient, evaluation: Evaluation, part: str) -> None:
    answer = client.get(f"{scan_url(evaluation, SCAN)}&part={part}")
    assert answer.status_code == 400
    assert answer.text.startswith("There is no such part of a scan: ")


def test_a_scan_of_another_workspace_is_not_there(client: TestClient, own_evaluation: Evaluation) -> None:
    other = own_evaluation.paths.root.parents[3].name
    for run in (f"..%2F..%2F{other}%2Fruns%2F{RUN}", f"%2e%2e%2f{RUN}", quote(str(own_evaluation.paths.root), safe="")):
        assert client.get(f"{scan_route.PREFIX}/{run}/small-valid/{SCAN}").status_code in (400, 404)


def test_a_forged_name_is_refused(evaluation: Evaluation) -> None:
    for forged in (f"{SCAN}/..%2f{SCAN}", f"{SCAN}%2f..%2f..%2fevaluation.json", f"{SCAN}.npy.zst", f"..{SCAN}"):
        answer = client_of(evaluation).get(f"{scan_route.PREFIX}/{RUN}/small-valid/{forged}")
        assert answer.status_code in (400, 404)
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "%2Fetc%2Fpasswd/a/b", f"..%2F..%2F{RUN}/small-valid/{SCAN}", "a/b/c/d", "", "/etc/passwd"]
)
def test_no_path_of_the_server_can_be_named(client: TestClient, path: str) -> None:
    answer = client.get(f"{scan_route.PREFIX}/{path}")
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_a_run_outside_the_workspace_is_no_run(
    client: TestClient, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = evaluation.paths.root.parents[4] / "elsewhere"
    (outside / "stray" / "model").mkdir(parents=True)
    monkeypatch.chdir(outside)
    assert client.get(f"{scan_route.PREFIX}/stray/small-valid/{SCAN}").status_code == 404


def test_a_damaged_mask_is_unprocessable(own_evaluation: Evaluation, damage: Callable[[Path], Path]) -> None:
    damage(own_evaluation.paths.mask(SCAN))
    answer = client_of(own_evaluation).get(scan_url(own_evaluation, SCAN))
    assert answer.status_code == 422
    assert "A predicted mask is damaged" in answer.text


def test_a_failure_is_not_kept(own_evaluation: Evaluation, damage: Callable[[Path], Path]) -> None:
    client, mask = client_of(own_evaluation), own_evaluation.paths.mask(SCAN)
    whole = mask.read_bytes()
    damage(mask)
    assert client.get(scan_url(own_evaluation, SCAN)).status_code == 422
    mask.write_bytes(whole)
    assert client.get(scan_url(own_evaluation, SCAN)).status_code == 200


def test_a_changed_data_set_is_a_conflict(own_evaluation: Evaluation) -> None:
    for kind in ("images", "masks"):
        (own_evaluation.dataset_root / "valid" / kind / f"{SCAN}_slice_{FIRST_SLICE:04d}.png").unlink()
    answer = client_of(own_evaluation).get(scan_url(own_evaluation, SCAN))
    assert answer.status_code == 409
    assert "has changed since it was evaluated" in answer.text


def test_a_damaged_evaluation_is_unprocessable(own_evaluation: Evaluation) -> None:
    path = own_evaluation.paths.summary
    path.write_text(path.read_text().replace("reference_sha256", "other"))
    answer = client_of(own_evaluation).get(f"{scan_route.PREFIX}/{RUN}/small-valid/{SCAN}")
    assert answer.status_code == 422
    assert "evaluation.json is not as expected" in answer.text


def test_the_address_of_an_unknown_scan_is_refused(evaluation: Evaluation) -> None:
    with pytest.raises(WorkspaceError, match="has no such scan: none"):
        scan_url(evaluation, "none")


def test_odd_names_survive_the_address(evaluation: Evaluation) -> None:
    odd = Evaluation("a+b", "c.d-valid", evaluation.paths, evaluation.summary)
    assert scan_url(odd, SCAN).startswith("/gutcheck/scan/a%2Bb/c.d-valid/")


def test_only_the_last_scans_are_kept(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[str] = []

    def count(evaluation: Evaluation, scan: str, part: Part) -> ScanPayload:
        packed.append(scan)
        return scan_payload(evaluation, scan, part)

    monkeypatch.setattr(scan_route, "scan_payload", count)
    packer = Packer(kept=1)
    for scan in (SCANS[0], SCANS[0], SCANS[1], SCANS[0]):
        packer.pack(evaluation, scan)
    assert packed == [SCANS[0], SCANS[1], SCANS[0]]


def test_readers_who_come_at_once_share_one_packing(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[str] = []
    go = threading.Event()

    def wait(evaluation: Evaluation, scan: str, part: Part) -> ScanPayload:
        packed.append(scan)
        assert go.wait(10)
        return ScanPayload(b"", "")

    monkeypatch.setattr(scan_route, "scan_payload", wait)
    packer = Packer(kept=2)
    readers = [threading.Thread(target=packer.pack, args=(evaluation, SCAN)) for _ in range(3)]
    for reader in readers:
        reader.start()
    go.set()
    for reader in readers:
        reader.join(10)
    assert packed == [SCAN]


def test_the_stub_run_is_listed(evaluation: Evaluation) -> None:
    run = open_run(evaluation.paths.root.parents[1])
    assert [found.name for found in run.evaluations()] == ["small-valid"]


@pytest.fixture
def bare(tmp_path: Path) -> tuple[TestClient, Path]:
    """A workspace with a data set of scans without a reference."""
    workspace = Workspace(tmp_path)
    return TestClient(Starlette(routes=scan_routes(workspace))), unlabelled_dataset(workspace)


def test_a_scan_without_a_reference_arrives_as_its_picture(bare: tuple[TestClient, Path]) -> None:
    client, root = bare
    scan = load_index(root).scan("unlabelled", "case5_day1")
    answer = client.get(image_url("open", scan))
    header, image, labels = unpack(answer.content)
    volume = scan.read_image()
    np.testing.assert_array_equal(image, volume_window(volume).apply(volume))
    assert not labels.any()
    assert (header["reference"], header["orientation"], header["leak"]) == (False, "PIL", "")
    assert header["step"] == pytest.approx([3.0, 2.0, 1.0])
    assert "immutable" in answer.headers["cache-control"]
    again = client.get(image_url("open", scan), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    deep = client.get(image_url("open", scan) + "&part=intensities").content
    assert deep.endswith(volume.tobytes())


def test_another_picture_has_another_address(bare: tuple[TestClient, Path]) -> None:
    client, root = bare
    scan = load_index(root).scan("unlabelled", "case7_day0")
    before = image_url("open", scan)
    image = scan.slices[0].image
    image.write_bytes(scan.slices[1].image.read_bytes())
    assert image_url("open", scan) != before
    assert client.get(before).headers["cache-control"] == "no-cache"
    image.unlink()
    with pytest.raises(DatasetError, match=r"^A picture of scan case7_day0 is gone: .*case7_day0_slice_0005.png; bring"):
        image_url("open", scan)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("open/case9_day9", 404), ("gone/case5_day0", 404), ("open/%2e%2e", 404), ("..%2f..%2fetc/x", 404), ("%2e%2e/x", 400),
        ("a b/case5_day0", 400), ("open/case5_day0?part=labels,", 400), ("small/case2_day0", 404),
    ],
)  # fmt: skip
def test_a_picture_that_is_not_there_is_refused(bare: tuple[TestClient, Path], path: str, status: int) -> None:
    """The data set is one of the workspace, by its name; the scan is looked up, and no path is made of it."""
    answer = bare[0].get(f"{scan_route.IMAGE_PREFIX}/{path}")
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_a_damaged_picture_is_one_sentence(bare: tuple[TestClient, Path]) -> None:
    client, root = bare
    scan = load_index(root).scan("unlabelled", "case5_day0")
    scan.slices[2].image.write_bytes(b"no PNG")
    answer = client.get(image_url("open", scan))
    assert (answer.status_code, answer.text.count("\n")) == (422, 0)
    assert "case5_day0_slice_0007.png" in answer.text
