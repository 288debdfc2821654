"""What people typed, shown as they typed it: Streamlit reads Markdown in nearly every place that takes a text."""

_SIGNS = frozenset(r"\`*_{}[]()<>#+-.!|~$:")


def plain(text: str) -> str:
    """Text in which Markdown finds nothing to do."""
    return "".join(f"\\{sign}" if sign in _SIGNS else sign for sign in text)


def harmless(sentence: str) -> str:
    """A sentence of ours with a value in it that may have come with a link: no picture, no link, no HTML comes of it."""
    return "".join(f"\\{sign}" if sign in "\\[]<>`$" else sign for sign in sentence)
