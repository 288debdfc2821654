"""The viewer's files and the route that serves its modules; no build step."""

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parent
PREFIX = "/gutcheck/viewer"
FOREVER = "public, max-age=31536000, immutable"

_ENTRY = """export default async function (component) {
  const { mount } = await import(new URL("%s", document.baseURI).href);
  return mount(component);
}
"""


@cache
def modules() -> dict[str, bytes]:
    """The JavaScript modules by their path below this folder, such as ``edit/brush.js``."""
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in sorted(FOLDER.rglob("*.js"))}


@cache
def digest() -> str:
    """Changes when any module does; part of every module's address, so that a browser never mixes two versions."""
    return hashlib.sha256(b"\0".join(modules().values())).hexdigest()[:16]


def entry() -> str:
    """The script that Streamlit gets: it loads the modules, which import each other, from our own route."""
    return _ENTRY % f"{PREFIX}/{digest()}/viewer.js"


def read_text(name: str) -> str:
    """The viewer's HTML or CSS."""
    return (FOLDER / name).read_text(encoding="utf-8")


def module_routes() -> list[BaseRoute]:
    """GET ``/gutcheck/viewer/DIGEST/NAME.js``, also in a folder below."""
    return [Route(f"{PREFIX}/{{digest}}/{{name:path}}", _module, methods=["GET"])]


async def _module(request: Request) -> Response:
    source = modules().get(request.path_params["name"])
    if source is None or request.path_params["digest"] != digest():
        return PlainTextResponse("The viewer was updated; reload the page.", 404)
    return Response(source, media_type="text/javascript", headers={"Cache-Control": FOREVER})
