"""Headings of the pages use the glossary's words, so that a thing is called the same wherever one meets it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
GLOSSARY = ROOT / "docs" / "glossary.md"
HEADINGS = {"title", "header", "subheader"}
PAGES = {"Cases", "Review", "Round", "Metrics", "Compare", "Data", "Training", "Demo"}
PLAIN = {
    "Overview",
    "Contents",
    "Consensus",
    "Reports",
    "Setting up the demo",
    "All runs",
    "Where it fails",
    "Volumes",
    "Mistakes",
}
PLAIN |= {"Difference", "Export and reports"}
"""Headings of everyday words alone."""


def headings(path: Path) -> Iterator[str]:
    """The literal texts of a file's titles, headings and section names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in HEADINGS:
            yield from (argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SECTIONS" and isinstance(node.value, ast.Dict):
            yield from (ast.literal_eval(value) for value in node.value.values)


def stems(text: str) -> set[str]:
    return {word.removesuffix("s") for word in re.findall(r"[a-z]{3,}", text.lower())}


def test_headings_use_the_glossary_s_words() -> None:
    words = set().union(*(stems(entry) for entry in re.findall(r"\*\*(.+?)\*\*", GLOSSARY.read_text(encoding="utf-8"))))
    shown = {text for path in (ROOT / "dashboard").rglob("*.py") if "demo" not in path.parts for text in headings(path)}
    assert len(shown) > 25
    assert {text for text in shown - PAGES - PLAIN if not stems(text) & words} == set()
