"""How a text is cleaned before a model sees it, in training and in production alike."""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

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


class _Piece(NamedTuple):
    """A character of the clean text, and the span of the given text that it stands for."""

    character: str
    start: int
    end: int


def _folded(pieces: Iterable[_Piece]) -> list[_Piece]:
    """The pieces with every run of white space made one space, none at the ends; as `_spaced` does with a text."""
    folded: list[_Piece] = []
    for piece in pieces:
        if not piece.character.isspace():
            folded.append(piece)
        elif folded and folded[-1].character == " ":
            folded[-1] = folded[-1]._replace(end=piece.end)
        elif folded:
            folded.append(piece._replace(character=" "))
    return folded[:-1] if folded and folded[-1].character == " " else folded


def _starts_afresh(character: str, before: str) -> bool:
    """Whether NFC leaves a character apart from those before it, whatever follows."""
    if character < "\u0300":  # none of these joins what is before it
        return True
    if unicodedata.combining(unicodedata.normalize("NFD", character)[0]):
        return False
    apart = unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", character)
    return unicodedata.normalize("NFC", before + character) == apart


def _segments(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """The pieces in runs that NFC composes each by itself."""
    segment: list[_Piece] = []
    before = ""
    for piece in pieces:
        if segment and _starts_afresh(piece.character, before):
            yield segment
            segment, before = [], ""
        segment.append(piece)
        before += piece.character
    if segment:
        yield segment


def _shared(one: Iterable[str], other: Iterable[str]) -> int:
    """How many characters two texts share at their start."""
    count = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        count += 1
    return count


def _composed(segment: list[_Piece]) -> list[_Piece]:
    """A run of pieces in NFC: those that it changes stand together for all that they were made of."""
    given = "".join(piece.character for piece in segment)
    composed = unicodedata.normalize("NFC", given)
    head = _shared(given, composed)
    tail = _shared(reversed(given[head:]), reversed(composed[head:]))
    changed = segment[head : len(segment) - tail]
    if not changed:
        return segment
    start, end = changed[0].start, changed[-1].end
    middle = [_Piece(character, start, end) for character in composed[head : len(composed) - tail]]
    return segment[:head] + middle + segment[len(segment) - tail :]


def _pieces(given: str) -> list[_Piece]:
    """What `clean` makes of a text, step by step the same, with where each character comes from."""
    spaced = _folded(_Piece(character, place, place + 1) for place, character in enumerate(given))
    kept = (piece for piece in spaced if not _is_stray(piece.character))
    return _folded(piece for segment in _segments(kept) for piece in _composed(segment))


class CleanText:
    """A text as the user gave it, and clean, with the way from positions in the one to positions in the other.

    What it takes is worked out when it is asked for first: most texts are clean as they are.
    """

    def __init__(self, given: str) -> None:
        self.given = given

    @cached_property
    def text(self) -> str:
        """The clean text."""
        return clean(self.given)

    @cached_property
    def _bounds(self) -> tuple[list[int], list[int]]:
        """Where the part of the given text starts, and where it ends, that each character of the clean one is of."""
        pieces = _pieces(self.given)
        return [piece.start for piece in pieces], [piece.end for piece in pieces]

    def span_in_given(self, start: int, end: int) -> tuple[int, int]:
        """The span of the given text that a span of the clean text stands for, end excluded."""
        if self.text == self.given:
            return start, end
        starts, ends = self._bounds
        if start < end:
            return starts[start], ends[end - 1]
        place = starts[start] if start < len(starts) else len(self.given)
        return place, place

    def position(self, place: int) -> int:
        """Where a position of the given text lies in the clean text: how many characters end before it.

        A position outside the text stays as far outside: a wrong offset is not put right by cleaning.
        """
        if self.text == self.given or place < 0:
            return place
        if place > len(self.given):
            return len(self.text) + place - len(self.given)
        return bisect_right(self._bounds[1], place)
