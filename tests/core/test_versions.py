"""Versions that are recorded with every number."""

import platform
import subprocess
from typing import Any

import numpy as np
import pytest

from core import versions


def test_names_python_and_numpy() -> None:
    found = versions.package_versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__


def test_leaves_out_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PACKAGES", ("numpy", "no-such-package-here"))
    assert set(versions.package_versions()) == {"python", "numpy"}


@pytest.mark.parametrize(("status", "expected"), [("", "abc123"), (" M core/model/segformer.py", "abc123+changes")])
def test_commit_says_when_files_differ(monkeypatch: pytest.MonkeyPatch, status: str, expected: str) -> None:
    monkeypatch.setattr(versions, "_git", lambda *words, folder: "abc123" if words[0] == "rev-parse" else status)
    assert versions.git_commit() == expected


@pytest.mark.parametrize("failure", [FileNotFoundError(), subprocess.CalledProcessError(128, "git")])
def test_no_commit_outside_of_a_repository(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def fail(*_: str, **__: Any) -> str:
        raise failure

    monkeypatch.setattr(versions, "_git", fail)
    assert versions.git_commit() is None
