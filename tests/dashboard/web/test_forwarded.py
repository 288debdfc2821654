"""Whose word on an address is taken, how guessing is braked, and where signing in and out leads."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dashboard.web.access import OpenAccess
from dashboard.web.brake import ADDRESS_GUESSES, ALL_GUESSES, FREE_GUESSES, Allowance, Brakes
from dashboard.web.proxies import TrustedProxies
from dashboard.web.sign_in import PasswordAccess
from tests.dashboard.guarded_server import PASSWORD, Running, client_of


class TestForwarded:
    def test_nobody_s_forwarded_address_is_believed(self, running: Running) -> None:
        answers = [
            running.sign_in("Eve", f"guess {n}", **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(FREE_GUESSES + 1)
        ]
        assert [answer.status_code for answer in answers] == [401] * FREE_GUESSES + [429]

    def test_a_named_proxy_s_is_from_its_end(self, tmp_path: Path) -> None:
        client = client_of(tmp_path, PasswordAccess(PASSWORD), "192.0.2.0/24,10.0.0.1", client="192.0.2.9")

        def guess(forwarded: str) -> int:
            return client.post(
                "/sign-in", data={"name": "Eve", "password": "no"}, headers={"X-Forwarded-For": forwarded}
            ).status_code

        # What the sender puts before is no new address.
        assert [guess(f"203.0.113.{n}, 198.51.100.1, 10.0.0.1") for n in range(FREE_GUESSES + 1)] == [401] * FREE_GUESSES + [429]
        assert guess("198.51.100.2") == 401

    def test_a_named_proxy_s_scheme_and_host_count(self, tmp_path: Path) -> None:
        form = {"name": "Ada", "password": PASSWORD}
        seen = {
            "Origin": "https://gut.clinic",
            "X-Forwarded-Proto": "http, https",
            "X-Forwarded-Host": "evil.example, gut.clinic",
        }
        entered = client_of(tmp_path, PasswordAccess(PASSWORD), "192.0.2.9").post("/sign-in", data=form, headers=seen)
        assert entered.status_code == 303
        assert "; Secure" in entered.headers["set-cookie"]
        assert client_of(tmp_path, PasswordAccess(PASSWORD)).post("/sign-in", data=form, headers=seen).status_code == 403

    def test_without_a_login_a_forwarded_host_opens_nothing(self, tmp_path: Path) -> None:
        client = client_of(tmp_path, OpenAccess())
        answer = client.get("/", headers={"X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"})
        assert answer.status_code == 403

    @pytest.mark.parametrize(
        "header",
        [
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-Prefix",
            "Forwarded",
            "X-Real-IP",
            "X-Gradio-Server",
        ],
    )
    @pytest.mark.parametrize("proxy", ["", "192.0.2.9"])
    def test_none_gets_further(self, header: str, proxy: str) -> None:
        # Streamlit and Gradio have uses of their own for some.
        raw = [(header.lower().encode(), b"evil.example"), (b"host", b"gut.test")]
        scope = {"type": "http", "scheme": "http", "client": ("192.0.2.9", 1), "headers": raw}
        seen = TrustedProxies.read(proxy).seen_through(scope)
        assert [name for name, _ in seen["headers"]] == [b"host"]
        assert seen["client"] == ("192.0.2.9", 1)

    def test_an_address_of_ipv4_in_ipv6_is_that_of_ipv4(self) -> None:
        scope = {
            "type": "http",
            "scheme": "http",
            "client": ("::ffff:10.0.0.1", 1),
            "headers": [(b"x-forwarded-for", b"[2001:db8::7]:80")],
        }
        assert TrustedProxies.read("10.0.0.1").seen_through(scope)["client"] == ("2001:db8::7", 0)


class TestBrakes:
    """Guesses at the real sign-in page, from one address or by way of a named proxy."""

    def guess(self, client: TestClient, name: str, password: str = "guess", address: str = "198.51.100.1") -> int:
        answer = client.post("/sign-in", data={"name": name, "password": password}, headers={"X-Forwarded-For": address})
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert "Too many wrong passwords; try again in" in answer.text
        return answer.status_code

    @pytest.fixture
    def client(self, tmp_path: Path) -> TestClient:
        return client_of(tmp_path, PasswordAccess(PASSWORD), "192.0.2.9")

    def test_one_reader_s_slips_lock_out_nobody_else_at_the_address(self, client: TestClient) -> None:
        assert {self.guess(client, "Ada") for _ in range(FREE_GUESSES)} == {401}
        assert self.guess(client, " ＡDA ", PASSWORD) == 429
        assert self.guess(client, "Bo", PASSWORD) == 303
        assert self.guess(client, "Ada", PASSWORD, "198.51.100.2") == 303

    def test_other_names_do_not_help(self, client: TestClient) -> None:
        assert [self.guess(client, f"reader {n}") for n in range(ADDRESS_GUESSES + 1)] == [401] * ADDRESS_GUESSES + [429]
        assert self.guess(client, "Bo", PASSWORD, "198.51.100.2") == 303

    def test_other_addresses_of_one_ipv6_network_do_not_help(self, client: TestClient) -> None:
        statuses = [self.guess(client, f"reader {n}", address=f"2001:db8::{n:x}") for n in range(ADDRESS_GUESSES + 1)]
        assert statuses == [401] * ADDRESS_GUESSES + [429]

    def test_other_addresses_do_not_help_for_long(self, client: TestClient) -> None:
        statuses = [self.guess(client, f"reader {n}", address=f"198.51.100.{n}") for n in range(1, ALL_GUESSES + 11)]
        assert statuses[:ALL_GUESSES] == [401] * ALL_GUESSES
        # One more is free each second, and these took some.
        assert 429 in statuses

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dashboard.web.brake.KEPT", 10)
        brakes = Brakes()
        for n in range(50):
            brakes.note_wrong("a" * 1000 + str(n), f"198.51.100.{n}")
        assert len(brakes._pair._wrong) == len(brakes._address._spent_until) == 10
        assert max(map(len, brakes._pair._wrong)) < 130

    def test_an_allowance_fills_again(self) -> None:
        now = 100.0
        allowance = Allowance(3, 10.0, lambda: now)
        waits = []
        for _ in range(4):
            waits.append(allowance.wait_s("a"))
            allowance.note_wrong("a")
        assert waits == [0, 0, 0, 10]
        now += 40
        assert allowance.wait_s("a") == 0


@pytest.mark.parametrize(
    "target", ["/\t/evil.example", "/\n/evil.example", "/a\r\nSet-Cookie: x=y", "\t//evil.example", "http:evil.example"]
)
def test_signing_in_leads_to_no_other_site_and_adds_no_header(tmp_path: Path, target: str) -> None:
    form = {"name": "Ada", "password": PASSWORD, "next": target}
    entered = client_of(tmp_path, PasswordAccess(PASSWORD)).post("/sign-in", data=form)
    assert entered.headers["location"] == "/"
    assert "x" not in entered.cookies


def test_asking_for_the_head_of_the_sign_out_page_signs_nobody_out(tmp_path: Path) -> None:
    client = client_of(tmp_path, PasswordAccess(PASSWORD))
    client.post("/sign-in", data={"name": "Ada", "password": PASSWORD})
    client.head("/sign-out")
    assert client.get("/gutcheck/none").status_code == 404
    client.get("/sign-out")
    assert client.get("/gutcheck/none").status_code == 401


def test_without_a_login_another_name_s_websocket_is_refused(tmp_path: Path) -> None:
    client = client_of(tmp_path, OpenAccess())
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/demo/gradio_api/queue/join"):
        pass
