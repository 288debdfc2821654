"""Who a reader's name means: one key for all spellings of a name, and the refusal of names that only look like a known one.

Two names are one reader where their keys are equal (`reader_key`). The spelling that the store saw first is shown. A name that
the store does not know yet is refused where it mixes scripts within a word (Unicode's "highly restrictive" level, UTS 39, 5.2;
Latin beside Japanese, Chinese or Korean writing is usual and fine), or looks like a known one though it is spelt with other
characters (UTS 39, 4).
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from threading import Lock

from sqlalchemy import Connection, func, select

from core.errors import ReviewError
from core.reviews.store.schema import events

_TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)
_ANY_SCRIPT = frozenset({"COMMON", "INHERITED"})
_UNSEEN = {ord(sign): None for sign in "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"} | dict.fromkeys(
    [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]
)
"""Characters that show nothing (Unicode's default ignorables that are no control characters, and an empty Braille cell)."""
_DOTTED = ("i\u0307", "j\u0307")
"""A dot above a letter that has one is not seen."""


@lru_cache(maxsize=4096)
def reader_key(name: str) -> str:
    """What is compared where two names are: NFKC, case-folded, without what nobody sees, with single spaces."""
    name = name.translate(_UNSEEN)
    for _ in range(2):  # folding may leave characters that are to be composed, and those to be folded again
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(name.split())


@lru_cache(maxsize=4096)
def skeleton(text: str) -> str:
    """What a text looks like (UTS 39, 4): texts that are easily taken for each other have one and the same."""
    before, found = "", unicodedata.normalize("NFD", text)
    while found != before:
        before = found
        for pair in _DOTTED:
            found = found.replace(pair, pair[0])
        found = unicodedata.normalize("NFD", "".join(map(_prototype, found)))
    return found


def check_scripts(name: str) -> str:
    """Return ``name`` if no word of it mixes scripts that are not written together.

    Raises:
        ReviewError: it does.
    """
    for word in _words(name):
        scripts = {_script(sign) for sign in word} - _ANY_SCRIPT
        if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
            mixed = " and ".join(sorted(script.capitalize() for script in scripts))
            raise ReviewError(f"A word of the name mixes {mixed} letters", value=name, todo="type it in one script")
    return name


class KnownReaders:
    """Everybody who wrote into a store, by key, in the spelling that was first; safe to share between threads."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        self._looks: dict[str, str] = {}
        self._sequence = 0
        self._lock = Lock()

    def refresh(self, connection: Connection) -> None:
        """Take in what was written since the last call."""
        first, last = func.min(events.c.sequence), func.max(events.c.sequence)
        with self._lock:
            newer = select(events.c.reader, last).where(events.c.sequence > self._sequence)
            for name, sequence in connection.execute(newer.group_by(events.c.reader).order_by(first)).all():
                self._shown.setdefault(reader_key(name), name)
                self._sequence = max(self._sequence, sequence)

    def shown(self, name: str) -> str:
        """The spelling that was first; of a name that is not known, the name as it is."""
        return self._shown.get(reader_key(name), name)

    def admit(self, name: str) -> str:
        """`shown`, for a name that is about to be used.

        Raises:
            ReviewError: it is not known, and mixes scripts within a word or looks like another that is.
        """
        known = self._shown.get(reader_key(name))
        if known is not None:
            return known
        check_scripts(name)
        for look in _looks(name):
            if look in self._known_looks():
                value = f"{name} and {self._known_looks()[look]}"
                raise ReviewError("The name looks like another reader's", value=value, todo="type that one, or add to yours")
        return name

    def names(self) -> list[str]:
        """All, in order of the alphabet."""
        with self._lock:
            return sorted(self._shown.values())

    def _known_looks(self) -> Mapping[str, str]:
        with self._lock:
            if len(self._looks) < len(self._shown):
                self._looks = {look: name for name in self._shown.values() for look in _looks(name)}
            return self._looks


def _looks(name: str) -> Iterator[str]:
    """What a name looks like as it is, in small and in capital letters; each is compared with its own kind only."""
    forms = {"": name, "small": reader_key(name), "capital": reader_key(name).upper()}
    return (f"{kind}:{skeleton(form)}" for kind, form in forms.items())


def _words(name: str) -> Iterable[str]:
    parts = groupby(name, key=lambda sign: unicodedata.category(sign)[0] in "LMN")
    return ("".join(signs) for is_word, signs in parts if is_word)


def _script(sign: str) -> str:
    from confusable_homoglyphs.categories import alias

    return str(alias(sign))


@lru_cache(maxsize=4096)
def _prototype(sign: str) -> str:
    """What UTS 39 has for a character that is taken for another. The table holds each pair both ways, without saying which."""
    from confusable_homoglyphs.confusables import confusables_data

    alike = confusables_data.get(sign, ())
    if len(alike) != 1:  # none, or it is what several others are replaced by
        return sign
    other = str(alike[0]["c"]).replace("\u200e", "")
    both_ways = len(other) == 1 and len(confusables_data.get(other, ())) == 1
    return min(sign, other) if both_ways else other
