"""Whether a request comes from one of our own pages: its Origin against the scheme and host that it was sent to."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
PORTS = {"http": 80, "https": 443}
SENTENCE = (
    "This request comes from another page than GutCheck's own, and changes nothing. "
    "Behind a proxy, start GutCheck with --trusted_proxy, and let the proxy send X-Forwarded-Proto and X-Forwarded-Host."
)


def is_foreign(scope: Scope) -> bool:
    """Whether a request that may change something, or a websocket, comes from a page that is not ours.

    Browsers send Origin with all of these. Without one it is no browser's, unless Fetch Metadata says that it is.
    """
    if scope["type"] == "http" and scope["method"] in READING:
        return False
    headers = Headers(scope=scope)
    origins = headers.getlist("origin")
    if not origins:
        return "sec-fetch-site" in headers
    return len(origins) > 1 or _place(origins[0]) is None or _place(origins[0]) != _own(scope, headers)


def is_cross_site(headers: Headers) -> bool:
    """Whether a browser says that another site's page led here, for a link that does something."""
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _own(scope: Scope, headers: Headers) -> tuple[str, str, int] | None:
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return _place(f"{scheme}://{headers.get('host', '')}")


def _place(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address that has nothing else; nothing for what is none, such as ``null``."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc or parts.path + parts.query + parts.fragment:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port
