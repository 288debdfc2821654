"""The Gradio demo, a light second front end: ``python -m dashboard.demo``. Importing this imports no Gradio, no torch."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.cli.options import Parser, check_port
from core.errors import ConfigError
from core.reviews.store.events import check_reader
from core.storage.workspace import Workspace
from dashboard.demo.page import build_page, page_options
from dashboard.demo.patches import load_gradio, past_the_proxy
from dashboard.demo.results import get_class_statistics_gradio, predict_gradio
from dashboard.demo.session import Demo
from dashboard.web.access import Access, Guard
from dashboard.web.proxies import TrustedProxies
from dashboard.web.sign_in import access_for

if TYPE_CHECKING:
    import fastapi
    import gradio


__all__ = ["build_demo", "get_class_statistics_gradio", "main", "mount_demo", "predict_gradio"]

PORT = 7860
PASSWORD_VARIABLE = "GUTCHECK_DEMO_PASSWORD"
USER = "gutcheck"
"""Of Gradio's own sign-in, which a shared link has."""
REMEDY = f"set {PASSWORD_VARIABLE} or give --password"
NAME_NOTE = "Any name will do: the demo keeps nothing, and shows it to nobody."
SHARE_WARNING = (
    "Warning: --share sends every uploaded picture through Gradio's servers and opens this demo to anyone who has the "
    "link and the password; never upload patient data to it."
)


def build_demo(workspace: Workspace, run_name: str | None = None) -> gradio.Blocks:
    """The demo's page; its model is loaded at the first picture.

    Args:
        run_name: see `dashboard.demo.models.choose_model`.

    Raises:
        WorkspaceError: see `dashboard.demo.models.choose_model`.
        ModelError: see `dashboard.demo.models.choose_model`.
    """
    return build_page(Demo(workspace, run_name))


def mount_demo(app: fastapi.FastAPI, demo: Demo, *, path: str = "/demo") -> None:
    """Mount the demo under ``path`` of a server that does other things too.

    Raises:
        WorkspaceError: see `dashboard.demo.models.choose_model`.
        ModelError: see `dashboard.demo.models.choose_model`.
    """
    load_gradio().mount_gradio_app(app, build_page(demo), path=path, **page_options())


@dataclass(frozen=True)
class DemoOptions:
    """The command line of the demo."""

    run: str | None = None
    """A run, a run's folder, a model's folder or a .ckpt file; default: the run promoted last, else the newest finished."""
    workspace: str | None = None
    """Folder of the runs; default: GUTCHECK_WORKSPACE, else ./workspace."""
    host: str = "127.0.0.1"
    """Address to listen on; this machine only by default, and without a password always."""
    port: int = PORT
    """Port to listen on."""
    share: bool = False
    """Also open a public link through Gradio's servers; needs a password."""
    password: str | None = None
    """Ask every visitor for this; better set as GUTCHECK_DEMO_PASSWORD, which `ps` does not show."""
    trusted_proxy: str | None = None
    """Addresses or networks of proxies, separated by commas, whose X-Forwarded headers are believed; default: none are."""

    def __post_init__(self) -> None:
        if self.share and not self.password:
            raise ConfigError("--share opens the demo to the internet and needs a password", todo=REMEDY)
        self.access()

    def access(self) -> Access:
        """Who may use the demo. Raises: see `dashboard.web.sign_in.access_for`."""
        return access_for(self.host, self.password, remedy=REMEDY, note=NAME_NOTE, named=check_reader)


def read_options(argv: Sequence[str]) -> DemoOptions:
    """The options of these command line words and the environment's password.

    Raises:
        ConfigError: unknown words; sharing, or an address that others reach, without a password; or a password that is none.
    """
    parser = Parser("python -m dashboard.demo", "Segment single MR slices in the browser. Not a medical device.")
    parser.add_class_arguments(DemoOptions)
    options = parser.read(argv)
    if options["password"] is None:
        options["password"] = os.environ.get(PASSWORD_VARIABLE)
    return DemoOptions(**options)


def main(argv: Sequence[str]) -> None:
    """Serve the demo until it is stopped.

    Raises:
        GutCheckError: bad input, as one sentence.
    """
    options = read_options(argv)
    check_port(options.host, options.port)
    proxies = TrustedProxies.read(options.trusted_proxy)
    demo = Demo(Workspace.locate(options.workspace), options.run)
    print(f"Starting the demo with the model {demo.model(None).name} …", flush=True)
    if options.share:
        _share(demo, options)
    else:
        _serve(demo, options, proxies)


def _serve(demo: Demo, options: DemoOptions, proxies: TrustedProxies) -> None:
    from dashboard.web.serving import address_of, serve_until_stopped

    ready = f"GutCheck demo: {address_of(options.host, options.port)} (Ctrl-C stops it). Not a medical device."
    app = guarded_demo(demo, options.access(), proxies)
    demo.warm_up()
    serve_until_stopped(app, host=options.host, port=options.port, ready=ready)


def guarded_demo(demo: Demo, access: Access, proxies: TrustedProxies | None = None) -> Guard:
    """The ASGI application of the demo alone, behind the same guard as the dashboard's.

    Raises:
        WorkspaceError: see `dashboard.demo.models.choose_model`.
        ModelError: see `dashboard.demo.models.choose_model`.
    """
    import fastapi

    app = fastapi.FastAPI(openapi_url=None)
    mount_demo(app, demo, path="/")
    return Guard(app, access, proxies)


def _share(demo: Demo, options: DemoOptions) -> None:
    """Serve by Gradio's own launch, which alone opens a public link."""
    # A service manager ends us with SIGTERM; as Ctrl-C does, it must remove the uploaded pictures.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(SHARE_WARNING, file=sys.stderr, flush=True)
    page = build_page(demo)
    _launch(page, options)
    try:
        # The page stands already; whoever is quick waits for the model at the first picture.
        demo.warm_up()
        print(f"GutCheck demo: {page.local_url} (Ctrl-C stops it). Not a medical device.", flush=True)
        if page.share_url:
            print(f"Public link: {page.share_url} (user {USER})", flush=True)
        while page.is_running:
            time.sleep(0.2)
    finally:
        page.close(verbose=False)


def _launch(page: gradio.Blocks, options: DemoOptions) -> None:
    try:
        with past_the_proxy(options.host):
            page.launch(
                server_name=options.host,
                server_port=options.port,
                share=True,
                auth=(USER, options.password),
                auth_message=f"GutCheck demo (username: {USER}). Not a medical device.",
                quiet=True,
                prevent_thread_lock=True,
                **page_options(shared=True),
            )
    except OSError as error:
        place = f"{options.host}:{options.port}"
        raise ConfigError("The demo cannot listen here", value=place, todo="choose another --port or --host") from error
