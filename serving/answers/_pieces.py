"""The parts of a text that windows hold."""

import numpy as np

from serving.reading import Window
from serving.text import CleanText


def tokens_of(window: Window, text: int) -> np.ndarray:
    """The places in a window of the tokens of a text, in order."""
    return np.flatnonzero((window.text_of == text) & (window.word_of >= 0))


def stretches(words: np.ndarray) -> np.ndarray:
    """For each of a row of words, by their numbers, which unbroken stretch of the text it is in: 0, 1, ...

    A text that was read by its head and tail has two.
    """
    return np.concatenate([[0], np.cumsum(np.diff(words) > 1)]) if len(words) else np.zeros(0, int)


def shown(text: CleanText, start: int, end: int) -> tuple[int, int, str]:
    """Where a span of the clean text lies in the user's own, without white space around it, and how it reads there."""
    found = text.text[start:end]
    start += len(found) - len(found.lstrip())
    end -= len(found) - len(found.rstrip())
    low, high = text.span_in_given(start, end)
    return low, high, text.given[low:high]
