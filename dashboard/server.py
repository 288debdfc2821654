"""The dashboard as one ASGI application: Streamlit's pages, the scans' data, and the Gradio demo, on one port."""

import logging
import os
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cli.options import Parser, check_port
from core.demo.prepare import default_folder, start_demo
from core.errors import ConfigError, WorkspaceError
from core.storage.workspace import ENVIRONMENT_VARIABLE, PROJECT_ROOT, Workspace
from dashboard.demo.link import DEMO_PATH
from dashboard.state import SERVER, follow_address
from dashboard.web.access import PASSWORD_VARIABLE, Access, Guard, OpenAccess
from dashboard.web.health import HEALTH, DemoHealth, Health
from dashboard.web.patches import patch_streamlit
from dashboard.web.proxies import TrustedProxies
from dashboard.web.serving import address_of, serve_until_stopped
from dashboard.web.sign_in import access_for

DEMO_HEALTH: dict[str, DemoHealth] = {"idle": "idle", "starting": "idle", "ready": "ok", "failed": "failed"}


@dataclass(frozen=True)
class ServerConfig:
    """How the dashboard is served."""

    workspace: str | None = None
    """Folder of data sets, runs and reviews; default: GUTCHECK_WORKSPACE, else ./workspace, else the embedded demo."""
    demo: bool = False
    """Open the embedded demo, whatever else is there."""
    host: str = "127.0.0.1"
    """Address to listen on; this machine only by default, and without a password always."""
    port: int = 8501
    """Port to listen on."""
    password_file: str | None = None
    """Ask every reader for the password in this file's first line; default: GUTCHECK_PASSWORD, else there is no login."""
    trusted_proxy: str | None = None
    """Addresses or networks of proxies, separated by commas, whose X-Forwarded headers are believed; default: none are."""
    browser: bool = False
    """Open a browser window once the server stands."""


def main(argv: Sequence[str]) -> None:
    """Serve until Ctrl-C.

    Raises:
        ConfigError: an impossible option, a port that is taken, or another address than this machine's without a password.
        KeyboardInterrupt: see `dashboard.web.serving.serve_until_stopped`.
        WorkspaceError: the workspace does not exist.
    """
    parser = Parser("python -m dashboard", "The review dashboard. Not a medical device.")
    parser.add_class_arguments(ServerConfig)
    config = ServerConfig(**parser.read(argv))
    access = choose_access(config.host, config.password_file)
    proxies = TrustedProxies.read(config.trusted_proxy)
    check_port(config.host, config.port)
    workspace, is_demo = choose_workspace(config)
    if is_demo:
        start_demo(workspace)
    serve(workspace, config, access, proxies)


def choose_workspace(config: ServerConfig) -> tuple[Workspace, bool]:
    """The workspace to open, and whether it is the embedded demo's.

    Raises:
        ConfigError: both the demo and a workspace.
        WorkspaceError: a workspace that was named does not exist.
    """
    if config.demo and config.workspace:
        raise ConfigError("--demo opens a workspace of its own", value=config.workspace, todo="leave out --demo or --workspace")
    named = None if config.demo else config.workspace or os.environ.get(ENVIRONMENT_VARIABLE)
    own = Workspace.locate(named)
    if named and not own.root.is_dir():
        todo = "check the path, or make one: python -m training prepare phantom --out WORKSPACE/datasets/phantoms"
        raise WorkspaceError("The workspace does not exist", value=own.root, todo=todo)
    if config.demo or not own.root.is_dir():
        return Workspace(default_folder()), True
    return own, False


def choose_access(host: str, password_file: str | None) -> Access:
    """The access that the environment and the command line ask for.

    Args:
        host: where the server will listen.
        password_file: a file whose first line is the password; else ``GUTCHECK_PASSWORD`` counts.

    Raises:
        ConfigError: another address than this machine's own without a password, or a password that is none.
    """
    password = _read_password(password_file) if password_file else os.environ.get(PASSWORD_VARIABLE)
    return access_for(host, password, remedy=f"set {PASSWORD_VARIABLE} or --password-file")


def _read_password(file: str) -> str:
    try:
        return (Path(file).read_text(encoding="utf-8").splitlines() or [""])[0].strip()
    except (OSError, ValueError) as error:
        raise ConfigError("The password file cannot be read", value=file, todo="give a text file with one line") from error


def serve(workspace: Workspace, config: ServerConfig, access: Access, proxies: TrustedProxies) -> None:
    """Run the server until it is stopped."""
    SERVER.workspace, SERVER.is_serving = workspace, True
    # Streamlit reads its settings from the folder it is started in, and people start the dashboard from anywhere.
    os.chdir(PROJECT_ROOT)
    address = address_of(config.host, config.port)
    ready = f"GutCheck: {address} (workspace {workspace.root}; Ctrl-C stops it). Not a medical device."
    if isinstance(access, OpenAccess):
        ready += f"\nThere is no login, so only this machine is served; set {PASSWORD_VARIABLE} to serve others."
    if config.browser:
        webbrowser.open(address)
    patch_streamlit(follow_address)
    serve_until_stopped(build_app(workspace, access, proxies), host=config.host, port=config.port, ready=ready)


def build_app(workspace: Workspace, access: Access, proxies: TrustedProxies | None = None) -> Guard:
    """The ASGI application over an open workspace, behind its login."""
    import streamlit as st
    from starlette.requests import Request
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    from dashboard.demo.lazy import LazyDemo
    from dashboard.web.correction_route import correction_routes
    from dashboard.web.scan_route import scan_routes

    SERVER.demo = demo = LazyDemo(workspace, DEMO_PATH)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        quiet_logs()
        yield
        await demo.close()

    def with_slash(request: Request) -> RedirectResponse:
        return RedirectResponse(request.url.replace(path=f"{request.url.path}/"))

    own = [*correction_routes(workspace), *scan_routes(workspace)]
    routes = [*own, Route(DEMO_PATH, with_slash), Mount(DEMO_PATH, app=demo)]
    app = st.App(Path(__file__).with_name("app.py"), routes=routes, lifespan=lifespan, on_script_error=_say_that_it_failed)
    health = Health(workspace, lambda: DEMO_HEALTH[demo.progress.state])
    return Guard(app, access, proxies, {HEALTH: health.answer})


def quiet_logs() -> None:
    """Keep out of the log which addresses are asked for, since they name scans, and what a client did to its own connection.

    To be called once Streamlit is imported, which sets uvicorn's loggers as it likes.
    """
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    stream = logging.getLogger("streamlit.web.server.starlette.starlette_websocket")
    if _drop_clients_tracebacks not in stream.filters:
        stream.addFilter(_drop_clients_tracebacks)


def _drop_clients_tracebacks(record: logging.LogRecord) -> bool:
    """Take the traceback from what a client brings about by going or by sending what is no message; ours stay."""
    if record.exc_info and _is_clients(record.exc_info[1]):
        record.exc_info = None
    return True


def _is_clients(error: BaseException | None) -> bool:
    from google.protobuf.message import DecodeError
    from starlette.websockets import WebSocketDisconnect, WebSocketDisconnected

    return isinstance(error, OSError | WebSocketDisconnect | WebSocketDisconnected | DecodeError)


def _say_that_it_failed(error: Exception) -> bool:
    import streamlit as st

    logging.getLogger("gutcheck").exception("A page failed", exc_info=error)
    st.error(
        "Something went wrong in GutCheck itself: reload the page; the server's log has the details.", icon=":material/error:"
    )
    return True
