"""Texts with masks in the place of words, and how well those are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving.answers._probabilities import log_softmax
from serving.reading import Window
from stages.shared.csv_files import write_csv
from stages.shared.markdown import table

IGNORED = -100  # as `stages.shared.items` has it, which needs torch
BANDS = ((1, 1), (2, 4), (5, 19), (20, None))  # how often a token is hidden in the split


class Hidden(NamedTuple):
    """A text with masks, and the tokens that they hide, in order."""

    text: str
    ids: list[int]


def hidden_in(text: str, window: Window, places: np.ndarray, mask: str) -> Hidden:
    """The text with a mask for each of some tokens of the window that was read of it.

    The space that some tokenizers count to a token stays.
    """
    parts, end = [], 0
    for place in places.tolist():
        first, last = window.offsets[place].tolist()
        first += len(text[first:last]) - len(text[first:last].lstrip())
        parts += [text[end : max(first, end)], mask]
        end = max(last, end)
    return Hidden("".join([*parts, text[end:]]), [window.ids[place] for place in places.tolist()])


def scores_at(logits: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """[summed log probability, tokens, tokens held likeliest] of what is expected, float64 (3,)."""
    places = np.flatnonzero(expected != IGNORED)
    rows, wanted = log_softmax(logits[places]), expected[places]
    told = rows[np.arange(len(places)), wanted]
    return np.array([told.sum(), len(places), (rows.argmax(axis=1) == wanted).sum()], np.float64)


def frequency_report(out: Path, expected: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> str:
    """The accuracy by how often a token is hidden in the split, as plots/frequency.csv and in Markdown."""
    pairs = [pair for wanted, said in zip(expected, found, strict=True) for pair in zip(wanted, said, strict=False)]
    often = Counter(wanted for wanted, _ in pairs)
    rows = []
    for low, high in BANDS:
        here = [wanted == said for wanted, said in pairs if low <= often[wanted] <= (high or often[wanted])]
        name = f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}"
        if here:
            rows.append((name, len(here), sum(here) / len(here)))
    header = ("times hidden", "tokens", "accuracy")
    write_csv(out / "plots/frequency.csv", header, rows)
    return f"## By frequency\n\nHow often the hidden token is hidden in the split.\n\n{table(header, rows)}"
