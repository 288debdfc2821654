"""``GET /health``: what whoever runs the server is told, and what it notices."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from core.reviews.store.store import ReviewStore
from core.storage.workspace import Workspace
from dashboard.demo.lazy import DemoProgress
from dashboard.state import SERVER
from dashboard.web import health
from dashboard.web.access import OpenAccess
from dashboard.web.sign_in import PasswordAccess
from tests.dashboard.guarded_server import ASKING, PASSWORD, Running, client_of


class TestHealth:
    def test_anybody_may_ask_under_any_name(self, running: Running) -> None:
        answer = ASKING.get(f"{running.url}/health", headers={"Host": "load-balancer.example"})
        assert answer.status_code == 200
        assert answer.json().keys() == {"store", "disk", "demo"}
        assert (answer.json()["store"], answer.json()["disk"]) == ("ok", "ok")

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each question is looked into."""
        monkeypatch.setattr(health, "KEPT_S", 0.0)

    def asked(self, client: TestClient) -> tuple[int, dict[str, str]]:
        answer = client.get("/health")
        return answer.status_code, answer.json()

    @pytest.fixture
    def stored(self, small_copy: Path) -> Path:
        """A workspace with a review store."""
        ReviewStore.open(Workspace(small_copy).reviews_db).close()
        return small_copy

    @pytest.mark.parametrize("loss", ["removed", "replaced", "damaged", "the whole workspace"])
    def test_a_store_that_was_lost_is_seen(self, stored: Path, now: None, loss: str) -> None:
        client, database = client_of(stored, PasswordAccess(PASSWORD)), stored / "reviews.db"
        assert self.asked(client) == (200, {"store": "ok", "disk": "ok", "demo": "idle"})
        if loss == "replaced":
            other = stored / "other.db"
            other.write_bytes(database.read_bytes())
            other.replace(database)
        elif loss == "damaged":
            database.write_bytes(b"no database" * 1000)
        elif loss == "removed":
            database.unlink()
        else:
            stored.rename(stored.with_name("moved"))
        status, words = self.asked(client)
        assert (status, words["store"]) == (503, "failed")

    def test_a_store_that_is_yet_to_come_is_no_failure(self, tmp_path: Path, now: None) -> None:
        assert self.asked(client_of(tmp_path, OpenAccess()))[0] == 200

    def test_a_full_disk(self, stored: Path, now: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "MIN_FREE_BYTES", 2**63)
        assert self.asked(client_of(stored, OpenAccess())) == (503, {"store": "ok", "disk": "full", "demo": "idle"})

    @pytest.mark.parametrize(
        ("state", "word", "status"), [("starting", "idle", 200), ("ready", "ok", 200), ("failed", "failed", 503)]
    )
    def test_the_demo(self, stored: Path, state: str, word: str, status: int) -> None:
        client = client_of(stored, OpenAccess())
        assert SERVER.demo is not None
        SERVER.demo._progress = DemoProgress(state, "a sentence with a path")  # type: ignore[arg-type]
        assert self.asked(client) == (status, {"store": "ok", "disk": "ok", "demo": word})

    def test_it_looks_once_a_second_at_most(self, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "KEPT_S", 3600.0)
        client = client_of(stored, OpenAccess())
        self.asked(client)
        (stored / "reviews.db").unlink()
        assert self.asked(client)[0] == 200
