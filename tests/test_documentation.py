"""Documentation that cannot rot: an undocumented command, option, key, column, page or room fails here."""

import ast
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from core.data.manifest import DatasetManifest
from core.evaluation.expected_dice import COLUMNS as EXPECTED
from core.metrics.regions import COLUMNS as ERRORS
from core.metrics.regions import ErrorKind
from core.reviews.__main__ import COMMANDS as REVIEWS
from core.reviews.round.export import COLUMNS as OUT
from core.runs.registry import find_run
from core.storage.workspace import Workspace
from dashboard.components.common.page_keys import COMMENT_KEY, LEAVE_KEY
from dashboard.components.review.findings import PIN_SLICE
from dashboard.components.review.verdict import ACCEPT_AND_NEXT, NEXT, SHORTCUTS, UNDO
from tests import write_docs
from tests.browser.small_workspace import RUN
from training.__main__ import COMMANDS as TRAINING
from training.commands.prepare import SOURCES
from training.run.callbacks import COLUMNS as METRICS

ROOT = Path(__file__).resolve().parent.parent


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


PAGES = [page for page in ROOT.rglob("*.md") if not re.search(r"/(\.|node_modules)", f"/{page.relative_to(ROOT).as_posix()}")]


def of_docs(name: str) -> str:
    return text(f"docs/{name}.md")


def columns(name: str, heading: str) -> set[str]:
    """What stands as code in the first column of the tables below a heading, as far as the next."""
    section = of_docs(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, heading
    return {code for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for code in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("page", write_docs.pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_generated_tables_are_up_to_date(page: Path) -> None:
    said = page.read_text(encoding="utf-8")
    assert write_docs.with_tables(said) == said, "run: python -m tests.write_docs"


def test_every_table_that_can_be_made_is_on_one_page() -> None:
    marks = [
        name for page in write_docs.pages() for name in re.findall(r"<!-- (.+?) -->\n", page.read_text("utf-8")) if name != "end"
    ]
    assert sorted(marks) == sorted(write_docs.TABLES)


@pytest.mark.parametrize("command", write_docs.parsers())
def test_every_option_of_every_command_is_documented(command: str) -> None:
    section = of_docs("options").partition(f"\n### `{command}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    assert section
    for title, kind in write_docs.SETTINGS.items():
        excepted = re.search(rf"\[{title}\]\(#[a-z-]+\) but (.*?)(?:,? all of|\.\n|$)", section)
        if f"all of [{title}]" in section or excepted:
            section += "".join(
                f"`--{field.name}`" for field in fields(kind) if not excepted or f"`--{field.name}`" not in excepted[1]
            )
    names = [write_docs.name_of(action) for action in write_docs.options(write_docs.parsers()[command])]
    assert [name for name in names if f"`{name}`" not in section] == []


def test_every_command_and_source_of_data_is_told_of() -> None:
    told = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md") if page.name != "options.md")
    assert [name for name in TRAINING if f"python -m training {name}" not in told] == []
    assert [name for name in REVIEWS if f"python -m core.reviews {name}" not in told] == []
    assert [name for name in SOURCES if f"python -m training prepare {name} " not in of_docs("data-sets")] == []
    for words in ("Dropbox", "learnopencvblog/uwm-gi-tract-segmentation-img-msk-split", "GUTCHECK_UWM_ADDRESS"):
        assert words in of_docs("data-sets")


def test_every_environment_variable_is_documented() -> None:
    sources = "".join(path.read_text("utf-8") for folder in write_docs.PACKAGES for path in (ROOT / folder).rglob("*.py"))
    ours = set(re.findall(r'"(GUTCHECK_[A-Z_]+)"', sources)) - {
        "GUTCHECK_SERVED",
        "GUTCHECK_RUN",
    }  # what one process tells its child
    assert {name for name in ours if f"`{name}`" not in of_docs("options")} == set()


def test_every_page_is_documented() -> None:
    paths = re.findall(r'st\.Page\(.*?title="(\w+)"(?:, url_path="(\w+)"|, default=True)', text("dashboard/app.py"))
    assert len(paths) == 8
    assert [title for title, path in paths if f"| {title} | `/{path}" not in of_docs("pages")] == []
    assert len(paths) == len([path for path in (ROOT / "dashboard/views").glob("*.py") if path.name != "__init__.py"])


def test_every_viewer_key_is_documented_with_what_it_does() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "dashboard/viewer").rglob("*.js"))
    bound = list(write_docs.bindings())
    assert len(bound) == len(re.findall(r"\bkeys: \[", source))
    assert {"n", "?", "0", "Delete", "[", "]", "Shift n", "Ctrl y"} <= {key for keys, _ in bound for key in keys}
    assert all(does for _, does in bound)


def test_every_review_key_is_documented_and_free_in_the_viewer() -> None:
    keys = [*SHORTCUTS.values(), ACCEPT_AND_NEXT, NEXT, UNDO, PIN_SLICE, COMMENT_KEY, LEAVE_KEY]
    assert len(set(keys)) == 12
    assert [key for key in keys if f"| `{key}` |" not in write_docs.review_keys()] == []
    assert {key for bound, _ in write_docs.bindings() for key in bound} & set(keys) == set()


def test_every_column_of_an_evaluation_is_documented(small_original: Path) -> None:
    evaluation = find_run(Workspace(small_original), RUN).evaluation("small-valid")
    both = set(evaluation.slices().columns) | set(evaluation.scans().columns) | set(EXPECTED)
    assert columns("evaluations", "Columns of scans.parquet and slices.parquet") == both
    kinds = {str(kind) for kind in ErrorKind}
    assert columns("evaluations", "Columns of errors.parquet") == set(ERRORS) | kinds
    keys = set(evaluation.summary) | {"expected_dice", "external"}
    assert columns("evaluations", "Keys of evaluation.json") == keys


def test_every_column_that_a_round_gives_and_of_a_run_is_documented() -> None:
    out = of_docs("reviewing").partition("\n## What comes out\n")[2]
    assert [name for table, names in OUT.items() for name in (table, *names) if f"`{name}`" not in out] == []
    assert set(METRICS) <= columns("training", "What a run leaves")
    recipes = [f"recipes/{path.name})" for path in (ROOT / "training/recipes").glob("*.yaml")]
    assert [name for name in recipes if name not in of_docs("training")] == []


def test_every_key_of_a_data_set_is_documented() -> None:
    assert columns("data-sets", "The layout") == set(DatasetManifest("any", provenance={"any": 1}, notes=("any",)).to_json())


@pytest.mark.parametrize("package", write_docs.PACKAGES)
def test_every_room_and_module_says_what_it_is_for(package: str) -> None:
    files = [path for path in (ROOT / package).rglob("*.py") if path.name != "__main__.py"]
    docstrings = {path: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    assert [str(path) for path, said in docstrings.items() if not said.split("\n\n")[0].rstrip().endswith((".", ":", "?"))] == []
    assert len(text(f"{package}/README.md").splitlines()) <= 60


def test_every_file_that_the_documentation_names_is_there() -> None:
    names = {
        (page, name)
        for page in PAGES
        for name in re.findall(r"`((?:core|training|dashboard|tests)/[\w./-]+)`", page.read_text("utf-8"))
    }
    assert [(page.name, name) for page, name in sorted(names) if not (ROOT / name).exists()] == []


def test_nobody_is_he() -> None:
    named = re.compile(r"\b(?:he|his|him|she|her)\b", re.IGNORECASE)
    sources = [*PAGES, *(path for folder in write_docs.PACKAGES for path in (ROOT / folder).rglob("*.py"))]
    assert [str(path) for path in sources if named.search(path.read_text(encoding="utf-8"))] == []


def test_make_help_lists_every_target() -> None:
    makefile = text("Makefile")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    assert [name for name in phony if not re.search(rf"^{name}:.*## ", makefile, re.MULTILINE)] == []


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
            where = page.parent / target if target else page
            assert where.exists(), (page, target)
            assert not anchor or anchor in anchors(where), (page, target, anchor)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_no_registry_host_or_machine_path_is_named() -> None:
    forbidden = re.compile("pypi[.]org|python[h]osted|npmjs[.]|/wor[k]/main|deb[.]debian")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so nobody knows which files are the project's")
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [str(p) for p in tracked if p.is_file() and forbidden.search(p.read_text(encoding="utf-8", errors="ignore"))] == []
