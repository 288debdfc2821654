"""What files say and people typed, shown as it stands: Streamlit reads Markdown in nearly every place that takes a text.

`escape_markdown` is for a value that comes from a file, an address or a person, wherever Streamlit takes Markdown: texts, labels
of buttons and expanders, titles, tooltips, toasts and the cells of `st.table`. `escape_links` is for a sentence of ours (an
error's) with such a value in it. `st.text`, `st.dataframe`, selectboxes and multiselects show text as it is. Charts:
`core.charts.style.as_typed`.
"""

import re

_SIGNS = frozenset(r"\`*_{}[]()<>#+-.!|~$:=&")
_JOINER = "\N{WORD JOINER}"
# A backslash does not stop what Streamlit finds in the text after Markdown is read: addresses, icons, emoji and arrows.
_FOUND_LATER = re.compile(
    r"(?:(?<=http)|(?<=https)):(?=//)|:(?=material/|[\w+-]+:)|www(?=\.)|@(?=[\w-])"
    r"|(?<!\S)(?:<-|[-<>~])(?=[->=](?:\s|$)|->)",
    re.IGNORECASE,
)


def escape_markdown(text: str) -> str:
    """Text in which Markdown finds nothing to do."""
    return "".join(f"\\{sign}" if sign in _SIGNS else sign for sign in _unfound(text))


def in_badge(text: str) -> str:
    """As `escape_markdown`, for `st.badge`, which escapes brackets itself: escaped twice they would be brackets again."""
    return escape_markdown(text).replace("\\[", "[").replace("\\]", "]")


def escape_links(sentence: str) -> str:
    """A sentence of ours with a value in it that may have come with a link: no picture, no link, no HTML comes of it."""
    return "".join(f"\\{sign}" if sign in "\\[]<>`$" else sign for sign in _unfound(sentence))


def _unfound(text: str) -> str:
    return _FOUND_LATER.sub(lambda found: found.group() + _JOINER, text)
