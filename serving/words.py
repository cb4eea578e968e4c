"""Where one word ends and the next begins, also for a tokenizer that does not say."""

import sys
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")

_UNKNOWN, _SPACE, _APART, _JOINS = range(4)
_KIND_OF = np.zeros(sys.maxunicode + 1, np.int8)  # of each character, filled as characters are met


@cache
def joins(character: str) -> bool:
    """Whether a character makes one word with such a character beside it: not where no spaces are put."""
    is_of_word = unicodedata.category(character)[0] in "LMN"  # letters, the marks on them, numbers
    return is_of_word and not unicodedata.name(character, "").startswith(_WITHOUT_SPACES)


def _kinds(codes: npt.NDArray[np.uint32], places: npt.NDArray[np.int32]) -> npt.NDArray[np.int8]:
    """What stands at places of a text, given its characters' numbers: _SPACE, _APART, or _JOINS, also for nothing."""
    inside = (places >= 0) & (places < len(codes))
    found = codes[places[inside]]
    for code in np.unique(found[_KIND_OF[found] == _UNKNOWN]).tolist():
        character = chr(code)
        _KIND_OF[code] = _SPACE if character.isspace() else _JOINS if joins(character) else _APART
    kinds = np.full(len(places), _JOINS, np.int8)
    kinds[inside] = _KIND_OF[found]
    return kinds


def parted_words(words: npt.NDArray[np.int32], offsets: npt.NDArray[np.int32], text: str) -> npt.NDArray[np.int32]:
    """The numbers of the words that tokens are of, from 0, a word parted wherever two of its tokens do not join.

    To a tokenizer of the SentencePiece kind all that stands between two spaces is one word, the full stop behind a
    name or a whole Chinese sentence: no name in it could be told from the rest.

    Args:
        words: as the tokenizer numbers them, -1 for a token of none, shape (tokens,).
        offsets: start and end of each token, shape (tokens, 2).
        text: what they are offsets of.
    """
    begins = np.diff(words, prepend=-2) != 0
    inner = np.flatnonzero(~begins & (words >= 0))
    if len(inner):
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        ends, starts = offsets[inner - 1, 1], offsets[inner, 0]
        edges = [_kinds(codes, ends - 1), _kinds(codes, starts)]
        # else parts of one character, or a token's space
        is_apart = (starts >= ends) & (edges[0] != _SPACE) & (edges[1] != _SPACE)
        begins[inner] = is_apart & ((edges[0] == _APART) | (edges[1] == _APART))
    return np.where(words < 0, -1, np.cumsum(begins & (words >= 0)) - 1).astype(np.int32)
