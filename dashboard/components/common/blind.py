"""The blind round on the pages: an address and a title that do not name the run."""

from collections.abc import Iterable
from hashlib import sha256

from core.reviews.store.events import Round
from core.runs.registry import Evaluation
from dashboard.state import ROUND_PARAMETER

TOKEN_DIGITS = 12


def token_of(evaluation: Evaluation) -> str:
    """What stands for the run and the evaluation in an address; always the same, and tells neither."""
    return sha256(f"{evaluation.run}/{evaluation.name}".encode()).hexdigest()[:TOKEN_DIGITS]


def find_token(evaluations: Iterable[Evaluation], token: str) -> Evaluation | None:
    """The evaluation that a token stands for."""
    return next((each for each in evaluations if token_of(each) == token), None)


def named(evaluation: Evaluation, settings: Round | None) -> dict[str, str]:
    """The query parameters that name an evaluation."""
    if settings and settings.blind:
        return {ROUND_PARAMETER: token_of(evaluation)}
    return {"run": evaluation.run, "evaluation": evaluation.name}


def title_of(evaluation: Evaluation, settings: Round | None) -> str:
    """What people read for an evaluation."""
    if settings and settings.blind:
        return f"{settings.name} (blind) · {evaluation.name}"
    return f"{evaluation.run} · {evaluation.name}"
