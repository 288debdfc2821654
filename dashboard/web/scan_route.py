"""The binary routes: a scan's image and its label maps go to the browser once, compressed."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from core.data.index import UNLABELLED, load_index
from core.data.scan import Scan
from core.errors import WorkspaceError
from core.imaging.scan_payload import PARTS, Part, ScanPayload, image_etag, image_payload, payload_etag, scan_payload
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace
from dashboard.viewer.assets import module_routes
from dashboard.web.refusals import Refusal, find_evaluation, refusing

PREFIX = "/gutcheck/scan"
IMAGE_PREFIX = "/gutcheck/image"
KEPT_SCANS = 4
"""Packed scans in memory, about 7 MB each; the one shown, the next, and a colleague's."""
PACKED_AT_ONCE = 2
"""A scan takes about 150 MB while it is packed."""
FOREVER = "private, max-age=31536000, immutable"


def scan_routes(workspace: Workspace) -> list[BaseRoute]:
    """The routes to serve beside Streamlit's: scans under ``/gutcheck/scan``, the viewer's modules under ``/gutcheck/viewer``.

    ``GET /gutcheck/scan/RUN/EVALUATION/SCAN[?part=PART]``, and for a scan without a reference of a data set in the workspace
    ``GET /gutcheck/image/DATASET/SCAN[?part=PART]``, answer a `core.imaging.scan_payload.ScanPayload`, or one sentence as plain
    text:
    400 for what can be no name or part, 404 for what is not there, 409 where the data set has changed, 422 for damaged files.
    """
    packer = Packer(KEPT_SCANS)

    async def scan(request: Request) -> Response:
        return await run_in_threadpool(_answer, workspace, packer, request)

    async def image(request: Request) -> Response:
        return await run_in_threadpool(_answer_image, workspace, packer, request)

    return [
        Route(f"{PREFIX}/{{run}}/{{evaluation}}/{{scan}}", scan, methods=["GET"]),
        Route(f"{IMAGE_PREFIX}/{{dataset}}/{{scan}}", image, methods=["GET"]),
        *module_routes(),
        # Streamlit answers every unknown address with its page, which the viewer would take for a scan.
        Route("/gutcheck/{rest:path}", _nothing_here),
    ]


def scan_url(evaluation: Evaluation, scan: str) -> str:
    """The address of a scan's payload; another one as soon as image, reference or prediction change.

    Raises:
        WorkspaceError: the evaluation has no such scan, or its file is damaged.
    """
    names = "/".join(quote(name, safe="") for name in (evaluation.run, evaluation.name, scan))
    return f"{PREFIX}/{names}?v={_etag(evaluation, scan)}"


def image_url(dataset: str, scan: Scan) -> str:
    """The address of the payload of a scan without a reference; another one as soon as its picture changes.

    Args:
        dataset: the name of its folder in the workspace.

    Raises:
        DatasetError: a picture is gone.
    """
    return f"{IMAGE_PREFIX}/{quote(dataset, safe='')}/{quote(scan.id, safe='')}?v={image_etag(scan)}"


async def _nothing_here(request: Request) -> Response:
    return PlainTextResponse("There is nothing at this address.", 404)


class Packer:
    """Packs scans and keeps the last few; a scan that two readers ask for at once is packed once."""

    def __init__(self, kept: int) -> None:
        self._limit = kept
        self._kept: OrderedDict[tuple[str, ...], Future[ScanPayload]] = OrderedDict()
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(PACKED_AT_ONCE)

    def pack(self, evaluation: Evaluation, scan: str, part: Part = "scan") -> ScanPayload:
        """See `core.imaging.scan_payload.scan_payload`."""
        key = (evaluation.run, evaluation.name, scan, part, _etag(evaluation, scan))
        return self.packed(key, lambda: scan_payload(evaluation, scan, part))

    def packed(self, key: tuple[str, ...], make: Callable[[], ScanPayload]) -> ScanPayload:
        """What was packed under this key, else what ``make`` gives."""
        with self._lock:
            known = self._kept.get(key)
            packed = self._kept[key] = known or Future()
            self._kept.move_to_end(key)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        if known is None:
            self._fill(packed, key, make)
        return packed.result()

    def _fill(self, packed: Future[ScanPayload], key: tuple[str, ...], make: Callable[[], ScanPayload]) -> None:
        try:
            with self._slots:
                packed.set_result(make())
        except BaseException as error:  # whoever waits for this scan must get it too
            with self._lock:
                self._kept.pop(key, None)
            packed.set_exception(error)


def _answer(workspace: Workspace, packer: Packer, request: Request) -> Response:
    try:
        run, evaluation_name, scan = (request.path_params[part] for part in ("run", "evaluation", "scan"))
        evaluation = find_evaluation(workspace, run, evaluation_name, scan)
        part = _part(request)
        with refusing(422):
            etag = _etag(evaluation, scan)
        return _payload(request, etag, lambda: packer.pack(evaluation, scan, part))
    except Refusal as refusal:
        return refusal.response()


def _answer_image(workspace: Workspace, packer: Packer, request: Request) -> Response:
    try:
        dataset, scan = (request.path_params[part] for part in ("dataset", "scan"))
        with refusing(400):
            root = workspace.dataset(dataset)
        part = _part(request)
        with refusing(404):
            # The scan's name is only looked up: the paths are those that the index found.
            found = load_index(root).scan(UNLABELLED, scan)
            etag = image_etag(found)
        key = (UNLABELLED, dataset, scan, part, etag)
        return _payload(request, etag, lambda: packer.packed(key, lambda: image_payload(found, part)))
    except Refusal as refusal:
        return refusal.response()


def _payload(request: Request, etag: str, pack: Callable[[], ScanPayload]) -> Response:
    headers = _headers(etag, request)
    if f'"{etag}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    with refusing(422), refusing(409, WorkspaceError):
        body = pack().body
    return Response(body, media_type="application/octet-stream", headers=headers | {"Content-Encoding": "gzip"})


def _part(request: Request) -> Part:
    named = request.query_params.get("part", "scan")
    for part in PARTS:
        if named == part:
            return part
    raise Refusal(400, f"There is no such part of a scan: {named[:40]}; ask for one of {', '.join(PARTS)}.")


def _etag(evaluation: Evaluation, scan: str) -> str:
    try:
        return payload_etag(evaluation, scan)
    except (KeyError, TypeError, ValueError) as error:
        what = "evaluation.json is not as expected"
        raise WorkspaceError(what, value=evaluation.paths.summary, todo="evaluate the run again") from error


def _headers(etag: str, request: Request) -> dict[str, str]:
    """Only an address that names this very version may be kept for good."""
    known_version = request.query_params.get("v") == etag
    return {
        "ETag": f'"{etag}"',
        "Cache-Control": FOREVER if known_version else "no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
