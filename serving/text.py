"""How a text is cleaned before a model sees it, in training and in production alike."""

import re
import unicodedata

_SPACES = re.compile(r"\s+")
_FORMAT_KEPT = {"\u200c", "\u200d"}  # joiners that carry meaning: Persian, Indic scripts, emoji


def _is_stray(character: str) -> bool:
    category = unicodedata.category(character)
    return category in ("Cc", "Cs", "Co") or (category == "Cf" and character not in _FORMAT_KEPT)


def clean(text: str) -> str:
    """The text in Unicode NFC, without control, bidi and zero-width characters, every run of white space one space.

    Emoji keep their joiners. The result of a clean text is the text itself.
    """
    spaced = _SPACES.sub(" ", unicodedata.normalize("NFC", text))
    return _SPACES.sub(" ", "".join(c for c in spaced if not _is_stray(c))).strip()


def count_stray(text: str) -> int:
    """How many control, bidi and zero-width characters `clean` takes out of a text; line ends and tabs do not count."""
    return sum(_is_stray(c) for c in text if not c.isspace())


def matching_key(text: str) -> str:
    """What two texts share that differ in case, spaces, full width or zero-width characters alone (NFKC, casefold)."""
    folded = unicodedata.normalize("NFKC", clean(text)).casefold()
    return _SPACES.sub(" ", "".join(c for c in folded if unicodedata.category(c) != "Cf")).strip()
