"""The route by which a reader's correction comes from the viewer, and by which its versions go back there.

``POST /gutcheck/correction/RUN/EVALUATION/SCAN`` takes, gzipped: 8 bytes ``GCEDIT1\\0``; the header's length in bytes,
little-endian uint32; the header, JSON (`SentCorrection`); the class ids of the whole volume (Z·H·W), four to a byte, the first in
the lowest bits. It answers the stored version as JSON. ``GET …/SCAN/SHA256`` answers a version's class ids, packed likewise.
"""

import gzip
import json
import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.data.masks import LabelMap, read_label_volume
from core.errors import MaskError
from core.imaging.scan_payload import payload_etag
from core.reviews.corrections import MaskVersion, corrections_of, read_correction, save_correction, subject_of
from core.reviews.store.shared import shared_store
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace
from dashboard.web.access import reader_of
from dashboard.web.refusals import Refusal, find_evaluation, refusing

PREFIX = "/gutcheck/correction"
HEADER = "gutcheck-correction"
"""A header that the viewer sends and a form cannot; `dashboard.web.access.Guard` has refused other pages before."""
MAGIC = b"GCEDIT1\0"
MAX_HEADER_BYTES = 4096
SLACK_BYTES = 65_536
"""That a gzipped body may be longer than what it holds."""


@dataclass(frozen=True)
class SentCorrection:
    """The header of a correction as the viewer sends it."""

    id: str
    """Of the event: the same correction sent twice is stored once."""
    version: str
    """Of the scan that was on screen, see `core.imaging.scan_payload.payload_etag`."""
    reader: str
    """As entered on the page; the name that signed in goes before it."""
    base: str
    """See `core.reviews.corrections.save_correction`."""
    seconds: float


def correction_routes(workspace: Workspace) -> list[BaseRoute]:
    """The routes to serve before `dashboard.web.scan_route.scan_routes`; refusals are one sentence as plain text."""
    corrections = _CorrectionStore(workspace)
    path = f"{PREFIX}/{{run}}/{{evaluation}}/{{scan}}"

    async def post(request: Request) -> Response:
        try:
            _check_sender(request)
            evaluation, scan = await run_in_threadpool(corrections.find, request)
            with refusing(422):
                shape = await run_in_threadpool(_shape, evaluation, scan)
            body = await _read_body(request, _expected_bytes(shape) + SLACK_BYTES)
            return await run_in_threadpool(corrections.save, request, evaluation, scan, shape, body)
        except Refusal as refusal:
            return refusal.response()

    async def get(request: Request) -> Response:
        try:
            return await run_in_threadpool(corrections.version, request)
        except Refusal as refusal:
            return refusal.response()

    return [Route(path, post, methods=["POST"]), Route(f"{path}/{{sha256}}", get, methods=["GET"])]


def edit_data(evaluation: Evaluation, scan: str, versions: Iterable[MaskVersion], reader: str) -> dict[str, Any]:
    """What the viewer needs to correct a scan, for ``viewer(edit=…)``.

    Args:
        versions: those that this reader may see, newest first.
        reader: the name under which a correction would be saved; empty where there is none yet.
    """
    names = "/".join(quote(name, safe="") for name in (evaluation.run, evaluation.name, scan))
    shown = [{"sha256": each.mask_sha256, "reader": each.reader, "at": each.at} for each in versions]
    return {"url": f"{PREFIX}/{names}", "version": payload_etag(evaluation, scan), "reader": reader, "versions": shown}


class _CorrectionStore:
    """Where corrections are handed in and out."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def store(self) -> ReviewStore:
        return shared_store(self._workspace.reviews_db)

    def find(self, request: Request) -> tuple[Evaluation, str]:
        run, evaluation, scan = (request.path_params[part] for part in ("run", "evaluation", "scan"))
        return find_evaluation(self._workspace, run, evaluation, scan), scan

    def save(self, request: Request, evaluation: Evaluation, scan: str, shape: tuple[int, ...], body: bytes) -> Response:
        sent, volume = unpack(body, shape)
        if sent.version != payload_etag(evaluation, scan):
            raise Refusal(409, "The scan has changed since it was opened; open it again.")
        with refusing(422):
            version = save_correction(
                self._workspace,
                self.store(),
                evaluation,
                scan,
                volume,
                base=sent.base,
                reader=reader_of(request.headers) or sent.reader,
                seconds=sent.seconds,
                event_id=sent.id,
            )
        said = asdict(version) | {"sha256": version.mask_sha256}
        return JSONResponse(said, 201, {"Cache-Control": "no-store"})

    def version(self, request: Request) -> Response:
        evaluation, scan = self.find(request)
        digest = request.path_params["sha256"]
        with refusing(503):
            known = {each.mask_sha256 for each in corrections_of(self.store(), subject_of(evaluation, scan))}
        if digest not in known:
            raise Refusal(404, "This scan has no such correction.")
        with refusing(422, MaskError):
            packed = pack(read_correction(self._workspace, digest))
        headers = {
            "Content-Encoding": "gzip",
            "Cache-Control": "private, max-age=31536000, immutable",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        content = gzip.compress(packed, compresslevel=1, mtime=0)
        return Response(content, media_type="application/octet-stream", headers=headers)


def _check_sender(request: Request) -> None:
    if HEADER not in request.headers:
        raise Refusal(403, "Corrections come from GutCheck's own viewer only.")


def _shape(evaluation: Evaluation, scan: str) -> tuple[int, ...]:
    return read_label_volume(evaluation.paths.mask(scan)).shape


def _expected_bytes(shape: tuple[int, ...]) -> int:
    return len(MAGIC) + 4 + MAX_HEADER_BYTES + math.ceil(math.prod(shape) / 4)


async def _read_body(request: Request, limit: int) -> bytes:
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > limit:
            raise Refusal(413, "The correction is larger than the scan.")
        chunks.append(chunk)
    return b"".join(chunks)


def unpack(body: bytes, shape: tuple[int, ...]) -> tuple[SentCorrection, LabelMap]:
    """A gzipped correction's header and its label volume of ``shape``, (Z, H, W) uint8.

    Raises:
        Refusal: 400 for anything else, 413 for more than such a volume; never unpacks more than that.
    """
    limit = _expected_bytes(shape)
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refusal(400, "The correction arrived damaged; save it again.") from error
    if len(content) > limit:
        raise Refusal(413, "The correction is larger than the scan.")
    if not stream.eof or stream.unused_data or content[:8] != MAGIC or len(content) < 12:
        raise Refusal(400, "The correction arrived damaged; save it again.")
    (length,) = struct.unpack("<I", content[8:12])
    sent = _read_header(content[12 : 12 + min(length, MAX_HEADER_BYTES)])
    packed = np.frombuffer(content, np.uint8, offset=min(12 + length, len(content)))
    if len(packed) != math.ceil(math.prod(shape) / 4):
        raise Refusal(400, "The correction is of another size than the scan; open it again.")
    return sent, unpack_classes(packed, shape)


def _read_header(raw: bytes) -> SentCorrection:
    try:
        sent = SentCorrection(**json.loads(raw))
        texts = (sent.id, sent.version, sent.reader, sent.base)
        if not all(isinstance(each, str) for each in texts) or isinstance(sent.seconds, bool):
            raise TypeError
        return SentCorrection(*texts, float(sent.seconds))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Refusal(400, "The correction arrived damaged; save it again.") from error


def pack(volume: LabelMap) -> bytes:
    """Class ids 0 to 3, four to a byte, the first in the lowest bits; padded with zeros."""
    flat = volume.ravel()
    padded = np.zeros(math.ceil(flat.size / 4) * 4, np.uint8)
    padded[: flat.size] = flat
    quads = padded.reshape(-1, 4)
    return bytes(np.bitwise_or.reduce(quads << np.array([0, 2, 4, 6], np.uint8), axis=1).astype(np.uint8))


def unpack_classes(packed: NDArray[np.uint8], shape: tuple[int, ...]) -> LabelMap:
    """The inverse of `pack`."""
    classes = (packed[:, None] >> np.array([0, 2, 4, 6], np.uint8)) & np.uint8(3)
    return classes.ravel()[: math.prod(shape)].reshape(shape)
