"""How our routes refuse a request: a status and one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.responses import PlainTextResponse

from core.errors import GutCheckError
from core.runs import registry
from core.runs.registry import Evaluation
from core.storage.workspace import Workspace, check_name


class Refusal(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    def response(self) -> PlainTextResponse:
        """What the browser gets."""
        # What was sent may hold halves of characters, which no answer can.
        sentence = str(self).encode(errors="replace")
        return PlainTextResponse(sentence, self.status, {"Cache-Control": "no-store"})


@contextmanager
def refusing(status: int, kind: type[GutCheckError] = GutCheckError) -> Iterator[None]:
    """Turn an error into a refusal with this status."""
    try:
        yield
    except kind as error:
        raise Refusal(status, str(error)) from error


def find_evaluation(workspace: Workspace, run: str, evaluation: str, scan: str) -> Evaluation:
    """The evaluation of the open workspace that has this scan.

    Raises:
        Refusal: 400 for what can be no name, 404 for what is not there.
    """
    with refusing(400):
        check_name(run, "run"), check_name(evaluation, "evaluation"), check_name(scan, "scan")
    with refusing(404):
        return registry.find_evaluation(workspace, run=run, evaluation=evaluation, scan=scan)
