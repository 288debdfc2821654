"""How much the demo takes at once, and what it says beyond that, where Gradio answers before any function of ours is asked."""

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from core.errors import GutCheckError, ImageError

QUEUE_SIZE = 100
"""Requests that may wait."""
MAX_AT_ONCE = 4
"""Uploads that are segmented in turns, slice by slice."""
MAX_FILE_BYTES = 200_000_000


def too_large(file: str | None = None) -> ImageError:
    """The sentence on a file of more than `MAX_FILE_BYTES`.

    Args:
        file: its name and size, where they are known.
    """
    what = f"The file is larger than {MAX_FILE_BYTES / 1e6:g} MB"
    return ImageError(what, value=file, todo="send it compressed, or fewer of its slices")


def queue_full() -> GutCheckError:
    """The sentence on one request too many."""
    return GutCheckError("The demo is busy", value=f"{QUEUE_SIZE} requests wait already", todo="try again in a minute")


def refuse_plainly(scope: Scope, receive: Receive, send: Send) -> Send:
    """``send``, with these sentences in place of Gradio's own refusals.

    Gradio's browser side replaces whatever comes with 503 by a text of its own, but shows what comes with 429; its Python
    client knows a full queue by 503 alone, and raises ``QueueError``. So browsers, which state an origin, get 429.
    """
    start: Message = {}
    answered = False

    async def worded(message: Message) -> None:
        nonlocal start, answered
        if message["type"] == "http.response.start" and message["status"] in (413, 503):
            start = message
        elif not start:
            await send(message)
        elif not answered:
            if answer := _answer(scope, start["status"], message.get("body", b"")):
                answered = True
                await answer(scope, receive, send)
            else:
                await send(start)
                await send(message)
                start = {}

    return worded


def _answer(scope: Scope, status: int, body: bytes) -> Response | None:
    """Our answer in place of Gradio's, or nothing where that is about something else."""
    if status == 413:
        return PlainTextResponse(str(too_large()), 413)
    if b"Queue is full" not in body:
        return None
    from_browser = any(name == b"origin" for name, _ in scope["headers"])
    return JSONResponse({"detail": str(queue_full())}, 429 if from_browser else 503)
