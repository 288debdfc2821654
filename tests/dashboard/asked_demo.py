"""The mounted demo as programs ask it: a signed-in client, calls, page events, uploads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.core.data.readers.odd_files import grey, png
from tests.patience import WAIT_S, wait_until

API = "/demo/gradio_api"


def file(path: Path | str) -> dict[str, Any]:
    """What Gradio's page sends in place of an uploaded file."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


@dataclass(frozen=True)
class Asking:
    """Somebody who is signed in."""

    web: httpx.Client

    @classmethod
    @contextmanager
    def signed_in(cls, address: str, name: str, password: str) -> Iterator["Asking"]:
        with httpx.Client(base_url=address, timeout=WAIT_S) as web:
            answer = web.post("/sign-in", data={"name": name, "password": password})
            assert answer.status_code == 303, answer.text
            yield cls(web)

    def wait_until_ready(self) -> None:
        """The first request starts the demo."""
        wait_until(lambda: self.web.get("/demo/").status_code == 200, "the demo starts")

    def upload(self, name: str = "slice.png") -> Path:
        """Send a small picture; where the server has put it."""
        answer = self.web.post(f"{API}/upload", files={"files": (name, png(grey()))})
        return Path(answer.json()[0])

    def call(self, name: str, *values: Any) -> str:
        """The documented call; the events of its answer."""
        posted = self.web.post(f"{API}/call/{name}", json={"data": values})
        if "event_id" not in posted.text:
            return posted.text
        return self.web.get(f"{API}/call/{name}/{posted.json()['event_id']}").text

    def join(self, function: int, values: list[Any], session: str, **more: Any) -> str:
        """A page's own event by the queue; the events of its answer."""
        body = {"data": values, "fn_index": function, "session_hash": session} | more
        posted = self.web.post(f"{API}/queue/join", json=body)
        if posted.status_code != 200:
            return posted.text
        with self.web.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                if "process_completed" in line:
                    return line
        raise AssertionError("no answer")

    def functions(self) -> list[dict[str, Any]]:
        """Every function of the page that runs on the server, with the types of its inputs under ``types``."""
        config = self.web.get("/demo/config").json()
        types = {each["id"]: each["type"] for each in config["components"]}
        return [each | {"types": [types[field] for field in each["inputs"]]} for each in config["dependencies"]]


def error_of(events: str) -> str:
    """The sentence of a call's answer; nothing where it succeeded."""
    data = events.strip().splitlines()[-1].removeprefix("data: ")
    content = json.loads(data)
    found = content.get("output", content) if isinstance(content, dict) else {}
    return str(found.get("error") or "")
