"""What every answer of the server says to the browser, whichever part of it answers."""

from starlette.types import Message, Send

NO_FRAMES = b"frame-ancestors 'self'"
"""Not ``'none'``: Streamlit's components, such as the view in 3D, are frames of our own."""
ANSWER_HEADERS = [
    (b"content-security-policy", NO_FRAMES),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
_OURS_ALONE = (b"x-content-type-options", b"referrer-policy")
_ALLOWING = b"access-control-"
_CODE = ("text/css", "text/javascript", "application/javascript", "font/")
"""What a program brings along; it holds nobody's scan."""


def with_headers(send: Send) -> Send:
    """``send`` with `ANSWER_HEADERS` on every answer, and without any leave to other sites.

    Of several policies a browser obeys all, so ours goes beside one that is there. Gradio's CORS headers let every origin
    read, with cookies, wherever the server has another name than localhost; nothing of ours is for another origin. What says
    nothing of being kept is not to be: it may hold somebody's scan.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            given = [(name.lower(), value) for name, value in message.get("headers", [])]
            kept = [each for each in given if each[0] not in _OURS_ALONE and not each[0].startswith(_ALLOWING)]
            if message["status"] != 304 and not any(name == b"cache-control" for name, _ in kept):
                kept.append((b"cache-control", b"no-cache" if _is_code(kept) else b"no-store"))
            message = {**message, "headers": kept + ANSWER_HEADERS}
        await send(message)

    return send_with_headers


def _is_code(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.decode("latin-1").lower().startswith(_CODE) for name, value in headers)
