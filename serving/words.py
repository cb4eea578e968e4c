"""Where one word ends and the next begins, also for a tokenizer that does not say."""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


@cache
def joins(character: str) -> bool:
    """Whether a character makes one word with such a character beside it: not where no spaces are put."""
    is_of_word = unicodedata.category(character)[0] in "LMN"  # letters, the marks on them, numbers
    return is_of_word and not unicodedata.name(character, "").startswith(_WITHOUT_SPACES)


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
    for place in np.flatnonzero(~begins & (words >= 0)).tolist():
        end, start = int(offsets[place - 1, 1]), int(offsets[place, 0])
        edge = text[end - 1 : end] + text[start : start + 1]
        is_apart = start >= end and not any(map(str.isspace, edge))  # else parts of one character, or a token's space
        begins[place] = is_apart and not all(map(joins, edge))
    return np.where(words < 0, -1, np.cumsum(begins & (words >= 0)) - 1).astype(np.int32)
