"""A YAML file of settings, looked at before anything else reads it: what is wrong is said without a word of what it holds."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError

MAX_BYTES = 64_000
"""A file of every setting there is has 2 kB."""
MAX_BRACKETS = 500
"""The time that YAML takes grows with the square of how deeply brackets are nested."""


def read_settings_file(path: Path, known: Collection[str] | None = None) -> dict[str, Any]:
    """The settings by name.

    Args:
        known: names that may stand in it; by default any.

    Raises:
        ConfigError: missing, unreadable, no YAML, or no settings; or one that is not known. The sentence has the file's name, a
            line's number and the kind of fault: whoever reads it need not be allowed to read the file.
    """
    root, content = _read(path)
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise _fault("The file holds no settings", path)
    for key, _ in root.value:
        if not isinstance(key, yaml.ScalarNode) or (known is not None and key.value.split(".")[0] not in known):
            raise _fault(f"Line {key.start_mark.line + 1} of the file is no option", path)
    return dict(content)


def _read(path: Path) -> tuple[yaml.Node | None, Any]:
    """The file's root node, for lines' numbers, and what it says."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _fault("The file is too large for settings", path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _fault("The file cannot be read as text", path) from error
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise _fault("The file is no settings: too many brackets", path)
    try:
        # An alias stands for what was said before, and a few of them for more than any memory holds.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise _fault("The file has YAML aliases", path)
        root: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
        return root, None if root is None else yaml.constructor.SafeConstructor().construct_document(root)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise _fault(f"The file is no YAML{where}", path) from None


def _fault(what: str, path: Path) -> ConfigError:
    return ConfigError(what, value=path.name, todo="give one with a line an option, such as epochs: 5")
