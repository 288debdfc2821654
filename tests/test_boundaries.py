"""The house's rules, read off the source: who may import whom, what stays out of the pages, and how long things are."""

import ast
import importlib.machinery
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.patience import WAIT_S

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "training", "dashboard")
HEAVY = {"torch", "transformers", "gradio", "albumentations", "torchmetrics", "pytorch_lightning", "lightning", "ray", "wandb"}
HEAVY |= {"numba"}
HEAVY_CORE = {
    "core.model.segformer",
    "core.model.torch_engine",
    "core.model.onnx_export",
    "core.evaluation.evaluate",
    "core.metrics.surface_kernels",
}
"""Modules of ours whose import brings torch or numba."""
MAX_LINES, MAX_FUNCTION = 400, 40
MAX_SCRIPT = 250
"""Lines of a file of JavaScript."""

MAY_IMPORT_HEAVY: dict[str, str] = {
    "dashboard/demo/actions.py": "Gradio reads its Request off annotations; build_page imports it, once Gradio is there",
}
"""Files of dashboard/ with a heavy import at the top, and the reason."""
LONG_FUNCTIONS = {
    "core/data/prepare/pairs.py prepare_pairs": "seven keywords and their documentation take half of it",
    "dashboard/viewer/component.py viewer": "nine keywords and their documentation take most of it",
}

ROOMS = {
    "core": (
        "labels", "errors", "config", "versions", "storage", "cli", "data", "metrics", "model", "runs", "evaluation", "imaging",
        "reviews", "charts", "reports", "demo", "commands", "onnx_export",
    ),
    "core.data": (
        "identity", "grid", "images", "volume", "grey", "masks", "manifest", "scan", "readers", "writers", "index", "split",
        "leakage", "duplicates", "survey", "statistics", "phantom", "prepare",
    ),
    "core.runs": ("status", "settings", "evaluation_checks", "import_checks", "registry", "library", "jobs", "plan"),
    "core.reviews": ("store", "corrections", "scan_files", "queue", "round"),
    "training": ("data", "model", "run", "cluster", "commands", "tools", "demo_weights", "reference"),
    "dashboard": ("state", "viewer", "web", "demo", "cached", "components", "views", "app", "server"),
    "dashboard.components": ("common", "cases", "review", "round", "metrics", "data", "training"),
}  # fmt: skip
"""Rooms from the ground up: one may import from those before it, and from nothing behind it, not even inside a function."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    """Dotted names that a file imports; ``from a import b`` counts as ``a`` and ``a.b``."""
    nodes = _top(tree_of(path)) if top_only else ast.walk(tree_of(path))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively; the house imports by full name"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run at import; those for the type checker alone do not."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from (each for each in ast.walk(node) if isinstance(each, ast.stmt))


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", sources("core"), ids=name_of)
def test_core_knows_no_user_interface_and_no_trainer(path: Path) -> None:
    forbidden = {"streamlit", "gradio", "pytorch_lightning", "lightning", "starlette", "fastapi", "dashboard", "training"}
    assert not roots(imports(path)) & forbidden


def test_training_and_dashboard_never_import_each_other() -> None:
    assert [name_of(path) for path in sources("training") if "dashboard" in roots(imports(path))] == []
    assert [name_of(path) for path in sources("dashboard") if "training" in roots(imports(path))] == []


def test_ray_is_an_extra() -> None:
    """Only what talks to a cluster or runs on one names it, and only inside functions."""
    may = ("core/runs/jobs/", "training/cluster/", "training/commands/submit.py")
    found = [path for path in sources(*PACKAGES) if "ray" in roots(imports(path))]
    assert [name_of(path) for path in found if not name_of(path).startswith(may)] == []
    assert [name_of(path) for path in found if "ray" in roots(imports(path, top_only=True))] == []


def test_nothing_but_the_tests_imports_the_tests() -> None:
    assert [name_of(path) for path in sources(*PACKAGES) if roots(imports(path)) & {"tests", "pytest", "hypothesis"}] == []


@pytest.mark.parametrize("path", sources("dashboard"), ids=name_of)
def test_pages_import_nothing_heavy_at_the_top(path: Path) -> None:
    if name_of(path) in MAY_IMPORT_HEAVY:
        return
    found = imports(path, top_only=True)
    assert not roots(found) & HEAVY
    assert not found & HEAVY_CORE


def test_the_exceptions_are_still_needed() -> None:
    for name in MAY_IMPORT_HEAVY:
        assert roots(imports(ROOT / name, top_only=True)) & HEAVY, name
    lengths = {f"{name_of(path)} {node.name}": length for path, node, length in functions()}
    assert [name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= MAX_FUNCTION] == []


@pytest.mark.slow
def test_the_dashboard_starts_without_torch() -> None:
    """Run every import that stands at the top of a file of the dashboard, and see what came with it."""
    statements = [
        ast.unparse(node)
        for path in sources("dashboard")
        if name_of(path) not in MAY_IMPORT_HEAVY
        for node in tree_of(path).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "__future__" not in ast.unparse(node)
    ]
    program = "\n".join([*dict.fromkeys(statements), "import sys", f"print(sorted({HEAVY!r} & sys.modules.keys()))"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sources(*PACKAGES, "tests"), ids=name_of)
def test_every_file_opens_with_what_it_is_for_and_is_not_too_long(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), "no docstring"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", sorted((ROOT / "dashboard").rglob("*.js")), ids=name_of)
def test_every_script_opens_with_what_it_is_for_and_is_not_too_long(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= MAX_SCRIPT


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for path in sources(*PACKAGES):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node, (node.end_lineno or 0) - node.lineno + 1


def test_no_function_is_too_long() -> None:
    long = [f"{name_of(path)} {node.name}" for path, node, length in functions() if length > MAX_FUNCTION]
    assert sorted(set(long) - LONG_FUNCTIONS.keys()) == []


def test_no_user_s_mistake_ends_in_an_assert_or_an_exit() -> None:
    bad = []
    for path in sources(*PACKAGES):
        for node in ast.walk(tree_of(path)):
            exits = isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit", "os._exit")
            if isinstance(node, ast.Assert) or (exits and not _under_main(path, node)):
                bad.append(f"{name_of(path)}:{node.lineno}")
    assert bad == []


def _under_main(path: Path, call: ast.expr) -> bool:
    """Whether a call stands under ``if __name__ == "__main__"`` or at the top of a ``__main__.py``."""
    blocks = [node for node in tree_of(path).body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    inside = any(call in ast.walk(block) for block in blocks)
    return inside or (path.name == "__main__.py" and any(call in ast.walk(node) for node in tree_of(path).body))


def test_nothing_is_ever_unpickled() -> None:
    calls = ("pickle.load", "pickle.loads", "joblib.load", "np.load", "numpy.load", "pd.read_pickle", "eval", "exec")
    bad = []
    for path in sources(*PACKAGES):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            name, options = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
            unsafe_torch = name == "torch.load" and options.get("weights_only") != "True"
            if (name in calls and options.get("allow_pickle") != "False") or unsafe_torch:
                bad.append(f"{name_of(path)}:{node.lineno} {name}")
    assert bad == []


def test_no_file_beside_the_entry_point_shadows_a_library() -> None:
    # `streamlit run dashboard/app.py` puts only dashboard/ on the path, first.
    names = {path.stem for path in (ROOT / "dashboard").iterdir() if path.suffix == ".py" or path.is_dir()}
    names -= {"__init__", "__main__", "__pycache__"}
    others = [path for path in sys.path if path and Path(path).resolve() not in (ROOT, ROOT / "dashboard")]
    assert [name for name in sorted(names) if importlib.machinery.PathFinder.find_spec(name, others)] == []
    assert not names & set(sys.stdlib_module_names)


def test_no_pages_folder() -> None:
    assert not list((ROOT / "dashboard").rglob("pages"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def arrows() -> dict[str, set[str]]:
    """Which modules of ours each module imports, also inside functions; what only the type checker reads is left out."""
    known = {module_of(path) for path in sources(*PACKAGES)}
    found = {}
    for path in sources(*PACKAGES):
        typing_only = {
            id(inner)
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        names: set[str] = set()
        for node in ast.walk(tree_of(path)):
            if id(node) in typing_only:
                continue
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}" for alias in node.names} & known
                names |= whole or {str(node.module)}
        found[module_of(path)] = (names & known) - {module_of(path)}
    return found


def test_rooms_import_only_from_rooms_before_them() -> None:
    wrong = []
    for module, imported in arrows().items():
        if module.endswith("__main__"):
            continue  # it only starts what lies above it
        for other in imported:
            own, theirs = module.split("."), other.split(".")
            depth = next((k for k, (a, b) in enumerate(zip(own, theirs, strict=False)) if a != b), 0)
            order = ROOMS.get(".".join(own[:depth]), ())
            if depth and order and order.index(theirs[depth]) > order.index(own[depth]):
                wrong.append(f"{module} -> {other}")
    assert wrong == []


def test_no_circle_of_files() -> None:
    """Take away, again and again, what imports nothing that is left, or is imported by nothing; what remains goes round."""
    left = {module: set(imported) for module, imported in arrows().items()}
    while True:
        wanted = set().union(*left.values())
        kept = {m: imported & left.keys() for m, imported in left.items() if imported & left.keys() and m in wanted}
        if kept == left:
            break
        left = kept
    assert sorted(left) == []


def test_every_room_says_what_it_is_for() -> None:
    folders = {path.parent for path in sources(*PACKAGES)}
    folders -= {folder for folder in folders if folder.name == "versions"}  # Alembic reads its steps as files
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []
