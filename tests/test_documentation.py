"""Documentation that cannot rot: an undocumented command, flag or page fails here."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from dashboard.components.common.page_keys import COMMENT_KEY, LEAVE_KEY
from dashboard.components.review.findings import PIN_SLICE
from dashboard.components.review.verdict import ACCEPT_AND_NEXT, NEXT, SHORTCUTS, UNDO
from dashboard.demo.serve import DemoOptions
from dashboard.server import ServerConfig

ROOT = Path(__file__).resolve().parent.parent


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_flag_of_the_dashboard_is_documented() -> None:
    assert [f.name for f in fields(ServerConfig) if f"`--{f.name}`" not in text("dashboard/README.md")] == []


def test_every_flag_of_the_demo_is_documented() -> None:
    assert [f.name for f in fields(DemoOptions) if f"`--{f.name}`" not in text("dashboard/README.md")] == []


def test_every_page_is_documented() -> None:
    paths = re.findall(r'st\.Page\(.*?title="(\w+)"(?:, url_path="(\w+)"|, default=True)', text("dashboard/app.py"))
    assert len(paths) == 8
    table = text("dashboard/README.md")
    assert [title for title, path in paths if f"| {title} | `/{path}" not in table] == []
    assert len(paths) == len([path for path in (ROOT / "dashboard/views").glob("*.py") if path.name != "__init__.py"])


def test_every_viewer_key_is_documented() -> None:
    source = text("dashboard/viewer/keys.js") + text("dashboard/viewer/edit/edit.js")
    keys = {key for found in re.findall(r'keys: \[((?:"[^"]+"(?:, )?)+)\]', source) for key in re.findall(r'"([^"]+)"', found)}
    assert {"n", "?", "0", "Delete"} <= keys
    table = text("dashboard/README.md").casefold()
    spelt = {" ": "space"} | {f"Arrow{way}": "arrows" for way in ("Up", "Down", "Left", "Right")}
    assert [key for key in keys if not re.search(spelt.get(key, rf"`(ctrl )?(shift )?{re.escape(key.casefold())}`"), table)] == []


def test_every_review_key_is_documented_and_free_in_the_viewer() -> None:
    keys = [*SHORTCUTS.values(), ACCEPT_AND_NEXT, NEXT, UNDO, PIN_SLICE, COMMENT_KEY, LEAVE_KEY]
    assert len(set(keys)) == 12
    assert [key for key in keys if f"`{key}`" not in text("dashboard/README.md")] == []
    viewer = text("dashboard/viewer/keys.js") + text("dashboard/viewer/edit/edit.js")
    taken = {key for found in re.findall(r"keys: \[([^\]]+)\](?!, ctrl)", viewer) for key in re.findall(r'"([^"]+)"', found)}
    assert taken & set(keys) == set()


@pytest.mark.parametrize("folder", ["core", "core/data"])
def test_every_module_is_in_its_readme(folder: str) -> None:
    names = [path.name for path in (ROOT / folder).glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    silent = [name for name in names if f"`{name}`" not in text(f"{folder}/README.md")]
    allowed = {"command.py", "progress.py", "versions.py"}
    assert set(silent) - allowed == set()


def test_make_help_lists_every_target() -> None:
    makefile = text("Makefile")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    assert [name for name in phony if not re.search(rf"^{name}:.*## ", makefile, re.MULTILINE)] == []


def test_links_in_readmes_lead_somewhere() -> None:
    installed = (".venv", "node_modules")
    for readme in [path for path in ROOT.rglob("README.md") if not any(part.startswith(installed) for part in path.parts)]:
        targets = re.findall(r"\]\(([^)#:]+)\)", readme.read_text(encoding="utf-8"))
        assert [target for target in targets if not (readme.parent / target).exists()] == [], readme


def test_no_registry_host_or_machine_path_is_named() -> None:
    forbidden = re.compile("pypi[.]org|python[h]osted|npmjs[.]|/wor[k]/main|deb[.]debian")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so nobody knows which files are the project's")
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [str(p) for p in tracked if p.is_file() and forbidden.search(p.read_text(encoding="utf-8", errors="ignore"))] == []
