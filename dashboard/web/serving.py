"""Serving a guarded application until it is stopped; the dashboard and the demo alone in the same way."""

import signal
import socket

from uvicorn import Config, Server

from dashboard.web.access import Guard
from dashboard.web.timeouts import TimedProtocol, TimedWebSocket


def address_of(host: str, port: int) -> str:
    """The address to open in a browser."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_until_stopped(app: Guard, *, host: str, port: int, ready: str) -> None:
    """Serve, and print ``ready`` once requests are answered.

    Raises:
        KeyboardInterrupt: stopped, by Ctrl-C or by a service manager.
    """
    # A service manager ends us with SIGTERM; as Ctrl-C does, it must remove the demo's uploaded pictures.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        # `Guard` believes the proxies that are named; uvicorn would believe whoever is on this machine.
        proxy_headers=False,
        server_header=False,
        http=TimedProtocol,
        ws=TimedWebSocket,
    )
    _Announcing(config, ready).run()


class _Announcing(Server):
    def __init__(self, config: Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._ready, flush=True)
