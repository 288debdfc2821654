"""Which files the mounted demo opens and deletes: what was sent to it by whoever asks, and nothing else on the machine."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import served
from tests.core.data.readers.odd_files import grey, png
from tests.dashboard.asked_demo import API, Asking, error_of, file
from tests.patience import wait_until

pytestmark = pytest.mark.slow
PASSWORD = "a long password"
NO_SUCH = "There is no such upload: {}; send the file itself, then ask for it once."
WISHES = [1, 0.5, [1, 2, 3], "Mask", None, None]


@dataclass(frozen=True)
class Mounted:
    """The dashboard, with the demo in it and two readers."""

    anna: Asking
    ben: Asking
    log: Path

    @property
    def logged(self) -> str:
        return self.log.read_text()


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    folder = tmp_path_factory.mktemp("mounted")
    # Empty, so that the model is the carried one.
    (folder / "workspace").mkdir()
    with (
        served(folder / "workspace", folder / "log", password=PASSWORD) as dashboard,
        Asking.signed_in(dashboard.address, "anna", PASSWORD) as anna,
        Asking.signed_in(dashboard.address, "ben", PASSWORD) as ben,
    ):
        anna.wait_until_ready()
        yield Mounted(anna, ben, folder / "log")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of somebody else's, alone in its folder."""
    path = tmp_path / "theirs" / "theirs.png"
    path.parent.mkdir()
    path.write_bytes(png(grey()))
    return path


def uploads_of(asking: Asking) -> Path:
    """The folder that holds the uploads of the server."""
    there = asking.upload()
    asking.call("predict", file(there), "")
    return there.parents[1]


def test_an_upload_is_segmented_and_deleted_with_its_folder(mounted: Mounted) -> None:
    there = mounted.anna.upload()
    assert there.is_file()
    answer = json.loads(mounted.anna.call("predict", file(there), "").partition("data: ")[2])[0]
    assert sum(row["pixels"] for row in answer["classes"]) == grey().size
    assert not there.parent.exists()
    assert there.parents[1].is_dir()


def test_an_upload_is_the_sender_s_alone_and_taken_once(mounted: Mounted) -> None:
    there = mounted.anna.upload()
    assert error_of(mounted.ben.call("predict", file(there), "")) == NO_SUCH.format("slice.png")
    assert there.is_file()
    assert error_of(mounted.anna.call("predict", file(there), "")) == ""
    assert error_of(mounted.anna.call("predict", file(there), "")) == NO_SUCH.format("slice.png")


def strange_paths(picture: Path, uploads: Path, own: Path) -> dict[str, Path | str]:
    """Paths by what is strange about them, each of which leads to the picture or to the folder of uploads."""
    linked_file, linked_folder, unmade = own.parent / "link.png", uploads / "linked", uploads / "unmade" / "a.png"
    linked_file.symlink_to(picture)
    linked_folder.symlink_to(picture.parent)
    unmade.parent.mkdir()
    unmade.write_bytes(picture.read_bytes())
    return {
        "anywhere": picture,
        "a folder": picture.parent,
        "a link to a file": linked_file,
        "in a linked folder": linked_folder / picture.name,
        "in a folder that was made for nobody": unmade,
        "out of the folder": f"{own.parent}/{os.path.relpath(picture, own.parent)}",
        "the folder itself": own.parent,
        "an address": "http://127.0.0.1:1/a.png",
        "a file's address": f"file://{picture}",
        "an address below the demo": f"{API}/file={picture}",
        "with a null": f"{own}\0",
        "missing": own.parent / "missing.png",
        "nothing": "",
    }


def test_no_other_path_is_opened_or_deleted(mounted: Mounted, picture: Path) -> None:
    own = mounted.anna.upload()
    uploads = own.parents[1]
    try:
        strange = strange_paths(picture, uploads, own)
        before = {path: path.lstat().st_ino for path in [*uploads.rglob("*"), picture]}
        for path in strange.values():
            for name, value in (
                ("predict", file(path)),
                ("predict_scan", [file(path)]),
                ("predict_scan", [file(own), file(path)]),
            ):
                assert error_of(mounted.anna.call(name, value, "")).startswith("There is no such upload"), (path, name)
            event = mounted.anna.join(0, [[file(path)], *WISHES], "tab")
            assert error_of(event).startswith("There is no such upload"), path
        assert {path: path.lstat().st_ino for path in [*uploads.rglob("*"), picture]} == before
        assert picture.read_bytes() == png(grey())
        assert error_of(mounted.anna.call("predict", file(own), "")) == ""
        # A link that somebody laid beside the upload is not the demo's to delete.
        assert [path.name for path in own.parent.iterdir()] == ["link.png"]
    finally:
        shutil.rmtree(own.parent, ignore_errors=True)
        shutil.rmtree(uploads / "unmade", ignore_errors=True)
        (uploads / "linked").unlink(missing_ok=True)


def wrapped(path: Path) -> list[Any]:
    """A file as a value may hide it."""
    return [
        file(path),
        [file(path)],
        {"value": {"deep": [[file(path)]]}},
        {"path": str(path)},
        file(path) | {"url": str(path), "is_stream": True},
        {"path": str(path), "url": None, "size": 1, "orig_name": "a.png", "mime_type": "image/png"} | file(path),
        {"background": file(path), "layers": [file(path)], "composite": None},
    ]


def test_no_field_of_any_function_takes_a_file_from_elsewhere(mounted: Mounted, tmp_path: Path) -> None:
    """Gradio copies what a text names to where it can be fetched, and marks an SVG as open to everyone."""
    anna, uploads = mounted.anna, uploads_of(mounted.anna)
    secrets = [tmp_path / "secret.txt", tmp_path / "secret.svg"]
    for secret in secrets:
        secret.write_text("<svg>secret</svg>")
    before, functions = sorted(uploads.rglob("*")), anna.functions()
    assert {"open_files", "refuse", "predict", "show", "segment"} <= {each["api_name"] for each in functions}
    for function in functions:
        few = len(function["types"]) <= 2
        for position in range(len(function["types"])):
            for value in [value for secret in secrets for value in (wrapped(secret) if few else [file(secret)])]:
                values: list[Any] = [None] * len(function["types"])
                values[position] = value
                event = anna.join(function["id"], values, f"tab {function['id']}")
                assert error_of(event), (function["api_name"], position, value)
                assert str(tmp_path) not in event
    extra = anna.join(0, [None, *WISHES, file(secrets[0])], "tab", event_data=file(secrets[0]), trigger_id=1)
    assert error_of(extra)
    assert sorted(uploads.rglob("*")) == before
    assert [secret.read_text() for secret in secrets] == ["<svg>secret</svg>"] * 2
    for secret in secrets:
        assert anna.web.get(f"{API}/file={secret}").status_code == 404


def test_one_s_own_upload_is_not_copied_by_a_field_for_text(mounted: Mounted) -> None:
    there = mounted.anna.upload()
    before = sorted(there.parents[1].rglob("*"))
    assert error_of(mounted.anna.call("predict", None, file(there))).startswith("A file was sent where none belongs")
    assert sorted(there.parents[1].rglob("*")) == before
    mounted.anna.call("predict", file(there), "")


@pytest.mark.parametrize(
    "values", [["Doe^Jane"], ["Doe^Jane", ""], [{"Doe^Jane": 1}, ""], [[["Doe^Jane"]], ""], [1, "", "Doe^Jane"]]
)
def test_values_that_fit_no_field_are_one_sentence_and_not_logged(mounted: Mounted, values: list[Any]) -> None:
    for name in ("predict", "predict_scan"):
        assert error_of(mounted.anna.call(name, *values)).startswith("The demo cannot answer this request")
    assert error_of(mounted.anna.join(11, ["Doe^Jane", *WISHES[1:]], "tab"))
    assert "A request to the demo failed" in mounted.logged
    assert "Doe^Jane" not in mounted.logged


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "call/Doe^Jane", {"data": []}),
        ("POST", "queue/join", {"data": ["Doe^Jane"], "fn_index": 4711, "session_hash": "Doe^Jane"}),
        ("POST", "queue/join", {"data": {"path": "Doe^Jane"}}),
        ("GET", "call/predict/Doe^Jane", None),
    ],
)
def test_a_request_that_breaks_gradio_is_no_traceback_with_its_values(
    mounted: Mounted, method: str, address: str, body: Any
) -> None:
    answer = mounted.anna.web.request(method, f"{API}/{address}", json=body)
    assert answer.status_code < 500
    assert "Doe^Jane" not in mounted.logged


def test_an_upload_with_an_impossible_name_is_not_logged(mounted: Mounted) -> None:
    answer = mounted.anna.web.post(f"{API}/upload", files={"files": ("Doe^Jane" * 100, b"1")})
    assert answer.status_code < 500
    assert "Doe^Jane" not in mounted.logged


def test_what_comes_in_only_in_part_is_deleted(mounted: Mounted) -> None:
    uploads, web = uploads_of(mounted.anna), mounted.anna.web
    before = sorted(uploads.iterdir())
    web.post(f"{API}/upload", files={"others": ("slice.png", png(grey()))})
    assert sorted(uploads.iterdir()) == before
    place = urlsplit(str(web.base_url))
    cookie = "; ".join(f"{name}={value}" for name, value in web.cookies.items())
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nhalf of it'
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookie}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(head.encode() + part)
        wait_until(lambda: len(sorted(uploads.iterdir())) == len(before) + 1)
    wait_until(lambda: sorted(uploads.iterdir()) == before)
    assert "Traceback" not in mounted.logged


def test_every_address_of_gradio_s_that_nobody_needs_is_closed(mounted: Mounted) -> None:
    there = mounted.anna.upload()
    for address in (f"file={there}", f"file/{there}", f"proxy=http://127.0.0.1:1/{there}", "stream/a", "runs", "dev/reload"):
        answer = mounted.anna.web.get(f"{API}/{address}")
        assert (answer.status_code, answer.text) == (404, "The demo has no such address.")
    mounted.anna.call("predict", file(there), "")


def test_nobody_tells_gradio_its_own_address(mounted: Mounted) -> None:
    for header in ("X-Gradio-Server", "X-Forwarded-Host"):
        for path in ("/demo/", "/demo/config"):
            answer = mounted.anna.web.get(path, headers={header: "http://evil.example"})
            assert answer.status_code == 200
            assert "evil.example" not in answer.text
