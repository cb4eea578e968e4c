"""Hidden tokens found by counts: which tokens follow the one before, and precede the one after.

p(w | left, right) is proportional to p(w | left) p(w | right) / p(w); pairs that were seen little are smoothed by p(w).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from stages.shared.examples import Example
from stages.tasks import Prediction
from stages.tasks._hidden_words import IGNORED

TRUST = (3.0, 30.0, 300.0)  # pairs that count as much as the frequency of a token by itself


class _Counts:
    """What is counted in the rows of the training split."""

    def __init__(self, rows: Sequence[Example]) -> None:
        words = rows[0]["words"]
        self.after: dict[int, list[int]] = {}
        self.before: dict[int, list[int]] = {}
        single = np.full(words, 0.1)
        for row in rows:
            ids = [int(number) for number in row["ids"]]
            np.add.at(single, ids, 1)
            for left, right in pairwise(ids):
                self.after.setdefault(left, []).append(right)
                self.before.setdefault(right, []).append(left)
        self.single = single / single.sum()

    def beside(self, found: Sequence[int], trust: float) -> np.ndarray:
        """The probability of each token beside one of which these were seen."""
        counts = np.bincount(np.array(found, np.int64), minlength=len(self.single))
        return np.asarray((counts + trust * self.single) / (len(found) + trust))

    def scores(self, row: Example, trust: float) -> np.ndarray:
        """Log probability, tokens and tokens held likeliest of what is expected in a row."""
        shown, expected, total = row["shown"], row["expected"], np.zeros(3)
        for place in np.flatnonzero(np.array(expected) != IGNORED).tolist():
            left = self.beside(self.after.get(shown[place - 1], []), trust)
            right = self.beside(self.before.get(shown[place + 1], []), trust)
            both = left * right / self.single
            wanted = int(expected[place])
            total += [np.log(both[wanted] / both.sum()), 1, both.argmax() == wanted]
        return total


def found_by_counts(splits: Mapping[str, Sequence[Example]]) -> tuple[list[Prediction], str]:
    """The scores of splits["test"], and what gave them, in words."""
    counts = _Counts(splits["train"])
    losses = {trust: -sum(counts.scores(row, trust)[0] for row in splits["validation"]) for trust in TRUST}
    trust = min(losses, key=lambda one: losses[one])
    scores = [counts.scores(row, trust).tolist() for row in splits["test"]]
    predicted = [{"answer": "[]", "confidence": None, "said": {}, "scores": one} for one in scores]
    return predicted, f"counts of pairs of tokens on both sides, smoothed by {trust:g} pairs"
