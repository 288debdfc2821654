"""What the tests of the review's pages share: an open store, what a page shows, and a second run."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button, Widget, WidgetList

from core.reviews.corrections import subject_of
from core.reviews.store.events import Round, Subject
from core.reviews.store.store import ReviewStore
from core.runs.registry import Evaluation, open_run
from core.storage.workspace import Workspace
from dashboard.state import PICK
from dashboard.viewer.component import Pick

SomeWidget = TypeVar("SomeWidget", bound=Widget)
RUN, EVALUATION = "stub", "small-valid"


@contextmanager
def opened(folder: Path) -> Iterator[ReviewStore]:
    """The review store of a workspace."""
    store = ReviewStore.open(Workspace(folder).reviews_db)
    try:
        yield store
    finally:
        store.close()


def evaluation_of(folder: Path, run: str = RUN) -> Evaluation:
    return open_run(folder / "runs" / run).evaluation(EVALUATION)


def subject(folder: Path, scan: str) -> Subject:
    return subject_of(evaluation_of(folder), scan)


def set_round(folder: Path, **settings: object) -> None:
    with opened(folder) as store:
        store.set_round(RUN, EVALUATION, Round(**settings), by="Lead")  # type: ignore[arg-type]


def reviews(folder: Path, run: str = RUN):  # type: ignore[no-untyped-def]
    with opened(folder) as store:
        return store.reviews(run=run, evaluation=EVALUATION)


def sign_in(app: AppTest, name: str) -> AppTest:
    """Type a reader's name."""
    return app.text_input(key="reader").input(name).run()


def one(widgets: WidgetList[SomeWidget], name: str) -> SomeWidget:
    """The widget of that name, whatever its key is bound to, see `dashboard.components.common.reading.bound`."""
    (found,) = (each for each in widgets if re.fullmatch(rf"{name}-[0-9a-f]{{16}}", each.key or ""))
    return found


def button(app: AppTest, name: str) -> Button:
    """The button of that name, whichever scan and reader its key is bound to."""
    return one(app.button, name)


def rendered(app: AppTest) -> str:
    """Everything that the page shows or says, but the choices of a field and what only the viewer's script reads."""
    elements = [each for each in _walk(app.main) if each.type != "bidi_component"]
    lines = [line for each in elements for line in str(each.proto).splitlines()]
    return "\n".join([*(line for line in lines if "options:" not in line), *(table.value.to_string() for table in app.dataframe)])


def _walk(node):  # type: ignore[no-untyped-def]
    for child in node.children.values():
        if hasattr(child, "children"):
            yield from _walk(child)
        if getattr(child, "proto", None) is not None:
            yield child


def second_run(folder: Path, name: str = "newer") -> Evaluation:
    """The same evaluation under another run's name: identical masks."""
    shutil.copytree(folder / "runs" / RUN, folder / "runs" / name)
    return evaluation_of(folder, name)


def pinned(app: AppTest, pick: Pick) -> AppTest:
    """As after a click in a picture."""
    app.session_state[PICK] = pick
    return app.run()
