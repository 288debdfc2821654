"""*Review* where the store refuses: what was typed stays, and what was refused is said until it was seen."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import ReviewError
from core.reviews.store.store import ReviewStore
from core.storage.workspace import Workspace
from dashboard.viewer.component import Pick
from tests.browser.small_workspace import SCANS
from tests.dashboard.reviewing import (
    button,
    pinned,
    sign_in,
)

FIRST, SECOND = SCANS


def review(open_app, folder: Path) -> AppTest:
    return sign_in(open_app(folder, "review", case=FIRST), "Dr. Ada")


def test_when_the_store_refuses_what_was_typed_stays(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ReviewError("The review could not be saved", todo="free some space")

    app = review(open_app, folder)
    app.text_input(key=f"comment-{FIRST}").input("antrum cut").run()
    pinned(app, Pick(9, 10, 12))
    app.text_input(key=f"finding-{FIRST}-9-10-12-text").input("here")
    monkeypatch.setattr(ReviewStore, "_append", refuse)
    next(each for each in app.button if each.label == "Add finding").click().run()
    assert "could not be saved" in app.error[0].value
    assert app.text_input(key=f"finding-{FIRST}-9-10-12-text").value == "here"
    button(app, "verdict-reject").click().run()
    assert "could not be saved" in app.error[0].value
    assert app.text_input(key=f"comment-{FIRST}").value == "antrum cut"
    assert app.query_params["case"] == FIRST


def test_next_waits_until_a_refusal_was_seen(open_app, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = review(open_app, folder)

    def locked(*_: object, **__: object) -> None:
        raise ReviewError("The review database is locked", todo="try again in a moment")

    with monkeypatch.context() as patch:
        patch.setattr(ReviewStore, "add_verdict", locked)
        button(app, "verdict-reject").click()
        button(app, "next-case").click().run()  # before a page has shown what became of the verdict
    assert [each.value for each in app.error] == [f"{FIRST}, Reject: The review database is locked; try again in a moment."]
    assert app.query_params["case"] == FIRST
    button(app, "next-case").click().run()
    assert not app.error
    assert app.query_params["case"] == SECOND


def test_a_verdict_is_refused_once_the_store_is_gone(open_app, folder: Path) -> None:
    app = review(open_app, folder)
    app.text_input(key=f"comment-{FIRST}").input("antrum").run()
    Workspace(folder).reviews_db.rename(folder / "reviews.aside")
    button(app, "verdict-accept").click().run()
    assert "The review store was removed or replaced while GutCheck was running" in " ".join(each.value for each in app.error)
    assert not [toast for toast in app.toast if "Saved" in toast.value]
    assert app.text_input(key=f"comment-{FIRST}").value == "antrum"
