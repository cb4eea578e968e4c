"""How a text is cleaned before a model sees it, in training and in production alike."""

import unicodedata
from collections.abc import Callable

_FORMAT_KEPT = {"\u200c", "\u200d"}  # joiners that carry meaning: Persian, Indic scripts, emoji


def _is_stray(character: str) -> bool:
    category = unicodedata.category(character)
    return category in ("Cc", "Cs", "Co") or (category == "Cf" and character not in _FORMAT_KEPT)


def _is_format(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


class _Without(dict[int, int | None]):
    """What becomes of each character, for `str.translate`, filled as characters are met: itself, or nothing."""

    def __init__(self, is_dropped: Callable[[str], bool]) -> None:
        self._is_dropped = is_dropped

    def __missing__(self, code: int) -> int | None:
        self[code] = None if self._is_dropped(chr(code)) else code
        return self[code]


_WITHOUT_STRAY = _Without(_is_stray)
_WITHOUT_FORMAT = _Without(_is_format)


def _spaced(text: str) -> str:
    return " ".join(text.split())


def clean(text: str) -> str:
    """The text in Unicode NFC, without control, bidi and zero-width characters, every run of white space one space.

    Emoji keep their joiners. The result of a clean text is the text itself.
    """
    kept = _spaced(text).translate(_WITHOUT_STRAY)  # before NFC: a stray one may stand between letter and accent
    return _spaced(unicodedata.normalize("NFC", kept))


def count_stray(text: str) -> int:
    """How many control, bidi and zero-width characters `clean` takes out of a text; line ends and tabs do not count."""
    return sum(_is_stray(c) for c in text if not c.isspace())


def matching_key(text: str) -> str:
    """What two texts share that differ in case, spaces, full width or zero-width characters alone (NFKC, casefold)."""
    folded = unicodedata.normalize("NFKC", clean(text)).casefold()
    return _spaced(folded.translate(_WITHOUT_FORMAT))
