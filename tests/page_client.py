"""A reader's tab without a browser: *Review* over the pages' own WebSocket, with Streamlit's own messages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from core.reviews.store.events import Verdict
from tests.patience import WAIT_S


@contextmanager
def open_tab(address: str, *, reader: str, run: str, evaluation: str, scan: str) -> Iterator["Tab"]:
    """Open *Review* at a server's address. Raises: OSError, WebSocketException, where nobody answers or no longer."""
    stream = address.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, max_size=None, open_timeout=WAIT_S, ping_interval=None) as socket:
        yield Tab(socket, reader=reader, run=run, evaluation=evaluation, scan=scan)


class Tab:
    """*Review* of one scan, open under a reader's name."""

    def __init__(self, socket: ClientConnection, *, reader: str, run: str, evaluation: str, scan: str) -> None:
        self._query = {"run": run, "evaluation": evaluation, "case": scan}
        self._comment = f"comment-{scan}"
        self._typed: dict[str, str] = {}
        self._fields: dict[str, str] = {}
        self.title = ""
        """The heading that came last: the scan's name."""
        self._socket = socket
        self._all(None)
        self._typed["reader"] = reader
        self._all(None)

    def say(self, verdict: Verdict, comment: str) -> Iterator[str]:
        """Type a comment and press a verdict; what the page says on it, each as soon as it comes."""
        self._typed[self._comment] = comment
        yield from self._run(self.button(f"verdict-{verdict.value}"))

    def open(self, scan: str, *, in_passing: bool = False) -> None:
        """Go to another scan, as by Back; ``in_passing``: between two other messages."""
        if in_passing:
            self._send(None)
        self._query = {**self._query, "case": scan}
        self._send(None, by_history=True)
        if in_passing:
            self._send(None)
        list(self._read())

    def button(self, name: str) -> str:
        """The identity of a button that the page has shown last."""
        return self._fields[name]

    def press(self, identity: str) -> list[str]:
        """Press a button, or one that was there before; what the page says on it."""
        return list(self._run(identity))

    def press_in_passing(self, *identities: str) -> None:
        """Press buttons, and at once tell something with the address of before, as a viewer that comes to rest does.

        Reads one run to its end; where they made several, the next reading begins with the second.
        """
        for each in (*identities, None):
            self._send(each)
        list(self._read())

    def tell(self) -> None:
        """Have the page drawn with the address of before."""
        self._all(None)

    def _all(self, pressed: str | None) -> list[str]:
        return list(self._run(pressed))

    def _run(self, pressed: str | None) -> Iterator[str]:
        """Ask for a run of the page and read it to its end, noting the fields by their keys; yields toasts and refusals."""
        self._send(pressed)
        yield from self._read()

    def _send(self, pressed: str | None, *, by_history: bool = False) -> None:
        self._socket.send(self._asking(pressed, by_history=by_history).SerializeToString())

    def _read(self) -> Iterator[str]:
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=WAIT_S))
            kind = message.WhichOneof("type")
            if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                yield from self._seen(message.delta.new_element)

    def _seen(self, element: object) -> Iterator[str]:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        if kind in ("button", "text_input"):
            field = getattr(element, kind)
            # The identity of a widget ends with the key that the page gave it, and that with what it is bound to.
            key = re.sub(r"-[0-9a-f]{16}$", "", field.id.split("-", 2)[-1])
            self._fields[key] = field.id
        elif kind == "heading":
            self.title = element.heading.body.replace("\\", "")  # type: ignore[attr-defined]
        elif kind in ("toast", "alert", "exception"):
            shown = getattr(element, kind)
            yield shown.message if kind == "exception" else shown.body

    def _asking(self, pressed: str | None, *, by_history: bool) -> BackMsg:
        state = ClientState(page_name="review", query_string=urlencode(self._query), is_history_navigation=by_history)
        for key, text in self._typed.items():
            state.widget_states.widgets.add(id=self._fields[key], string_value=text)
        if pressed is not None:
            state.widget_states.widgets.add(id=pressed, trigger_value=True)
        return BackMsg(rerun_script=state)
