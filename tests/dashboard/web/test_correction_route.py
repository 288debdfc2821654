"""Corrections by HTTP: what arrives is what was sent, and what is refused leaves nothing behind."""

import gzip
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data.masks import read_label_volume
from core.imaging.scan_payload import payload_etag
from core.reviews.corrections import corrections_of, read_correction, subject_of
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from dashboard.web.access import Guard, OpenAccess
from dashboard.web.correction_route import (
    HEADER,
    MAGIC,
    MAX_HEADER_BYTES,
    PREFIX,
    correction_routes,
    edit_data,
    pack,
    unpack_classes,
)
from dashboard.web.scan_route import scan_routes
from dashboard.web.sign_in import PasswordAccess
from tests.browser.small_workspace import DEPTH, HEIGHT, RUN, SCANS, WIDTH

SCAN = SCANS[0]
URL = f"{PREFIX}/{RUN}/small-valid/{SCAN}"
OURS = {HEADER: "1", "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
SHAPE = (DEPTH, HEIGHT, WIDTH)


@pytest.fixture
def workspace(small_copy: Path) -> Workspace:
    return Workspace(small_copy)


@pytest.fixture
def evaluation(workspace: Workspace) -> Evaluation:
    return open_run(workspace.run(RUN).root).evaluation("small-valid")


def client_of(workspace: Workspace, access: object) -> TestClient:
    app = Starlette(routes=[*correction_routes(workspace), *scan_routes(workspace)])
    return TestClient(Guard(app, access), base_url="http://localhost", follow_redirects=False)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    return client_of(workspace, OpenAccess())


@pytest.fixture
def drawn(evaluation: Evaluation) -> np.ndarray:
    volume = read_label_volume(evaluation.paths.mask(SCAN)).copy()
    volume[3, 4:9, 5:17] = 3
    return volume


@pytest.fixture
def body(evaluation: Evaluation, drawn: np.ndarray):
    """A correction as the viewer sends it, with parts of its header changed."""

    def build(packed: bytes | None = None, **said: object) -> bytes:
        header = {
            "id": "a1",
            "version": payload_etag(evaluation, SCAN),
            "reader": "Dr. Ada",
            "base": "prediction",
            "seconds": 12.5,
        }
        raw = json.dumps(header | said).encode()
        return gzip.compress(MAGIC + struct.pack("<I", len(raw)) + raw + (pack(drawn) if packed is None else packed))

    return build


def versions(workspace: Workspace, evaluation: Evaluation) -> list:
    store = ReviewStore.open(workspace.reviews_db)
    found = corrections_of(store, subject_of(evaluation, SCAN))
    store.close()
    return found


def test_four_classes_fill_a_byte_the_first_in_the_lowest_bits() -> None:
    volume = np.array([[[1, 2, 3], [0, 3, 1]]], np.uint8)
    assert pack(volume) == bytes([0b00_11_10_01, 0b00_00_01_11])
    np.testing.assert_array_equal(unpack_classes(np.frombuffer(pack(volume), np.uint8), volume.shape), volume)


def test_a_correction_is_stored_as_it_was_sent_and_comes_back(client, workspace, evaluation, drawn, body) -> None:
    answer = client.post(URL, content=body(), headers=OURS)
    assert answer.status_code == 201
    said = answer.json()
    assert (said["reader"], said["changed_voxels"], said["seconds"]) == ("Dr. Ada", said["changed_voxels"], 12.5)
    np.testing.assert_array_equal(read_correction(workspace, said["sha256"]), drawn)
    assert [each.mask_sha256 for each in versions(workspace, evaluation)] == [said["sha256"]]
    back = client.get(f"{URL}/{said['sha256']}")
    assert back.headers["content-encoding"] == "gzip"
    np.testing.assert_array_equal(unpack_classes(np.frombuffer(back.content, np.uint8), SHAPE), drawn)


def test_a_correction_sent_again_is_stored_once(client, workspace, evaluation, body) -> None:
    first, second = (client.post(URL, content=body(), headers=OURS).json() for _ in range(2))
    assert first == second
    assert len(versions(workspace, evaluation)) == 1


def test_the_page_gets_what_the_viewer_needs(client, workspace, evaluation, body) -> None:
    said = client.post(URL, content=body(), headers=OURS).json()
    data = edit_data(evaluation, SCAN, versions(workspace, evaluation), "Dr. Bo")
    assert data == {
        "url": URL,
        "version": payload_etag(evaluation, SCAN),
        "reader": "Dr. Bo",
        "versions": [{"sha256": said["sha256"], "reader": "Dr. Ada", "at": said["at"]}],
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER: "1", "Origin": "https://example.org"},
        {HEADER: "1", "Origin": "null"},
        {HEADER: "1", "Sec-Fetch-Site": "cross-site"},
        {HEADER: "1", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"},
    ],
)
def test_another_site_cannot_send_a_correction(client, workspace, body, headers: dict[str, str]) -> None:
    answer = client.post(URL, content=body(), headers=headers)
    assert answer.status_code == 403
    assert not workspace.corrections.exists()
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_browser_s_question_before_a_foreign_post_gets_no_permission(client) -> None:
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": HEADER}
    answer = client.options(URL, headers=asked)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"none/small-valid/{SCAN}", 404),
        (f"{RUN}/none/{SCAN}", 404),
        (f"{RUN}/small-valid/case9_day9", 404),
        (f"{RUN}/%2e%2e/{SCAN}", 400),
        (f"{RUN}/small-valid/{'a' * 5000}", 400),
    ],
)
def test_an_unknown_scan_is_refused(client, workspace, body, path: str, status: int) -> None:
    assert client.post(f"{PREFIX}/{path}", content=body(), headers=OURS).status_code == status
    assert not workspace.corrections.exists()


def damaged_bodies(body) -> dict[str, tuple[bytes, int]]:
    whole = body()
    size = DEPTH * HEIGHT * WIDTH // 4
    return {
        "nothing": (b"", 400),
        "no gzip": (b"PNG" * 50, 400),
        "cut short": (whole[:-9], 400),
        "more behind": (whole + b"x", 400),
        "another format": (gzip.compress(b"GCSCAN1\0" + bytes(size)), 400),
        "a header that never ends": (gzip.compress(MAGIC + struct.pack("<I", 2**32 - 1) + b"{}"), 400),
        "a header that is no object": (gzip.compress(MAGIC + struct.pack("<I", 2) + b"[]" + bytes(size)), 400),
        "too few voxels": (body(bytes(size - 1)), 400),
        "too many voxels": (body(bytes(size + 1)), 400),
        "far too many voxels": (body(bytes(size + MAX_HEADER_BYTES)), 413),
        "a bomb": (gzip.compress(bytes(50_000_000)), 413),
        "a body larger than any": (bytes(1_000_000), 413),
        "a number for a name": (body(reader=7), 400),
        "an unknown field": (body(role="lead"), 400),
        "time that is none": (body(seconds="long"), 400),
        "endless time": (body(seconds=1e999), 422),
        "no reader": (body(reader=" "), 422),
        "half a character for a name": (body(reader="\ud800"), 422),
        "an id with a path": (body(id="../../a"), 422),
        "another base": (body(base="../reviews.db"), 422),
        "another version of the scan": (body(version="old"), 409),
    }


def test_damaged_and_hostile_bodies_are_refused_and_leave_no_version(client, workspace, evaluation, body) -> None:
    for name, (content, status) in damaged_bodies(body).items():
        answer = client.post(URL, content=content, headers=OURS)
        assert answer.status_code == status, name
        assert answer.headers["content-type"].startswith("text/plain"), name
        assert len(answer.text) < 300, name
    assert versions(workspace, evaluation) == []


def test_garbage_voxels_are_still_one_of_four_classes(client, workspace, body) -> None:
    garbage = np.random.default_rng(0).integers(0, 256, DEPTH * HEIGHT * WIDTH // 4).astype(np.uint8)
    said = client.post(URL, content=body(garbage.tobytes()), headers=OURS).json()
    assert set(np.unique(read_correction(workspace, said["sha256"]))) == {0, 1, 2, 3}


@pytest.mark.parametrize("digest", ["0" * 64, "..", "%2e%2e%2freviews.db", "A" * 64])
def test_only_this_scan_s_versions_can_be_read(client, body, digest: str) -> None:
    other = client.post(f"{PREFIX}/{RUN}/small-valid/{SCANS[1]}", content=body(), headers=OURS)
    assert other.status_code == 409  # another scan has another version
    assert client.get(f"{URL}/{digest}").status_code == 404


def test_without_a_session_nothing_is_taken_or_given(workspace, evaluation, body) -> None:
    client = client_of(workspace, PasswordAccess("correct horse"))
    assert client.post(URL, content=body(), headers=OURS).status_code == 401
    assert client.get(f"{URL}/{'0' * 64}").status_code == 401
    assert versions(workspace, evaluation) == []


def test_the_name_that_signed_in_goes_before_the_page_s(workspace, body) -> None:
    client = client_of(workspace, PasswordAccess("correct horse"))
    client.post("/sign-in", data={"name": "Dr. Zoë", "password": "correct horse"})
    assert client.post(URL, content=body(reader="Somebody else"), headers=OURS).json()["reader"] == "Dr. Zoë"


def test_a_version_whose_file_is_gone_is_said_so(client, workspace, body) -> None:
    said = client.post(URL, content=body(), headers=OURS).json()
    shutil.rmtree(workspace.corrections)
    answer = client.get(f"{URL}/{said['sha256']}")
    assert answer.status_code == 422
    assert "missing or damaged" in answer.text
