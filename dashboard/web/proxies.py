"""Which proxies may say who sends a request, by what scheme and to which host: none, unless they are named."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Scope

from core.cli.options import words_of
from core.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
SCHEMES = ("http", "https")
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class TrustedProxies:
    """The proxies before this server; what anybody else claims by a forwarded header is taken out of the request."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> "TrustedProxies":
        """The proxies of a comma-separated list of addresses and networks.

        Raises:
            ConfigError: a word is neither.
        """
        found = []
        for word in words_of(text or ""):
            try:
                found.append(ipaddress.ip_network(word))
            except ValueError as error:
                todo = "give addresses or networks separated by commas, such as 10.0.0.5,192.168.7.0/24"
                raise ConfigError("--trusted_proxy is no address", value=word, todo=todo) from error
        return cls(tuple(found))

    def seen_through(self, scope: Scope) -> Scope:
        """The scope as the outermost trusted proxy got it: client, scheme and Host; without any forwarded header.

        Streamlit and Gradio read such headers too, whoever sent them, so that none must get there. Of a header's several
        values the last counts: it is what the proxy next to us has added, all before it may be the sender's.
        """
        headers = [(name, value) for name, value in scope["headers"] if not _is_forwarded(name)]
        if not self._trusts(_address((scope.get("client") or ("", 0))[0])):
            return {**scope, "headers": headers}
        seen: Scope = {**scope, "headers": headers, "client": self._client(scope)}
        scheme = _last(scope["headers"], b"x-forwarded-proto").lower()
        if scheme in SCHEMES:
            seen["scheme"] = scheme.replace("http", "ws") if scope["type"] == "websocket" else scheme
        if host := _last(scope["headers"], b"x-forwarded-host"):
            seen["headers"] = [each for each in headers if each[0].lower() != b"host"] + [(b"host", host.encode("latin-1"))]
        return seen

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)

    def _client(self, scope: Scope) -> tuple[str, int]:
        """The last address on the way here that is no trusted proxy's."""
        client: tuple[str, int] = tuple(scope["client"])
        for word in reversed(_values(scope["headers"], b"x-forwarded-for")):
            address = _address(word)
            if address is None:
                break
            client = str(address), 0
            if not self._trusts(address):
                break
        return client


def _is_forwarded(name: bytes) -> bool:
    # Gradio takes X-Gradio-Server for its own address.
    return name.lower().startswith(b"x-forwarded-") or name.lower() in (b"forwarded", b"x-real-ip", b"x-gradio-server")


def _values(headers: Headers, name: bytes) -> list[str]:
    text = ",".join(value.decode("latin-1") for key, value in headers if key.lower() == name)
    return [word.strip() for word in text.split(",") if word.strip()]


def _last(headers: Headers, name: bytes) -> str:
    return (_values(headers, name) or [""])[-1]


def _address(text: str) -> Address | None:
    """An address as it stands in ``X-Forwarded-For``, with or without a port; nothing for what is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
