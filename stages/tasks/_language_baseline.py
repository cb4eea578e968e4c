"""The classical language model: three tokens in a row, with back-off to two and one.

Source: Kneser and Ney 1995, Improved backing-off for m-gram language modeling; Chen and Goodman 1999, An empirical
study of smoothing techniques (interpolated, one discount an order: n1 / (n1 + 2 n2))
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from stages.shared.examples import Example
from stages.tasks import Prediction

Context = tuple[int, ...]
ORDER = 3
IGNORED = -100


class BackOff:
    """How likely a token is after the two before it: interpolated Kneser-Ney."""

    def __init__(self, documents: Iterable[Sequence[int]], vocabulary: int) -> None:
        """Count the documents, of tokens from 0 to below `vocabulary`."""
        self._vocabulary = vocabulary
        highest: Counter[Context] = Counter()
        for document in documents:
            for place in range(1, len(document)):
                highest[tuple(document[max(0, place - ORDER + 1) : place + 1])] += 1
        self._after: list[dict[Context, Counter[int]]] = []
        counts = highest
        for order in range(ORDER, 0, -1):
            after: dict[Context, Counter[int]] = defaultdict(Counter)
            for run, count in counts.items():
                if len(run) >= order:
                    after[run[-order:-1]][run[-1]] += count
            self._after.append(after)
            continued = {run[-order:] for run in counts}  # of a shorter run it counts after how many tokens it came
            counts = Counter(run[1:] if len(run) == order else run for run in continued)
        self._discounts = [_discount(after.values()) for after in self._after]

    def probability(self, before: Context, token: int) -> float:
        """Of a token after those before it, in (0, 1)."""
        found = 1 / self._vocabulary
        for size in range(min(ORDER - 1, len(before)) + 1):
            counts = self._after_last(before, size)
            if counts:
                total, discount = counts.total(), self._discounts[ORDER - 1 - size]
                rest = discount * len(counts) / total
                found = max(counts[token] - discount, 0.0) / total + rest * found
        return found

    def likeliest(self, before: Context) -> int | None:
        """The token that came most often after the longest context that is known; of equals the smallest id."""
        for size in range(min(ORDER - 1, len(before)), -1, -1):
            counts = self._after_last(before, size)
            if counts:
                return min(counts, key=lambda token: (-counts[token], token))
        return None

    def _after_last(self, before: Context, size: int) -> Counter[int] | None:
        """What came after the last `size` tokens of a context."""
        return self._after[ORDER - 1 - size].get(before[len(before) - size :])

    def scores(self, ids: Sequence[int], expected: Sequence[int]) -> list[float]:
        """[summed log probability in nats, tokens, tokens held likeliest] of the expected tokens of a row."""
        total, tokens, right = 0.0, 0, 0
        for place in range(1, len(ids)):
            if expected[place] != IGNORED:
                before = tuple(ids[max(0, place - ORDER + 1) : place])
                total += math.log(self.probability(before, ids[place]))
                right += self.likeliest(before) == ids[place]
                tokens += 1
        return [total, float(tokens), float(right)]


def _discount(counts: Iterable[Counter[int]]) -> float:
    seen = Counter(count for several in counts for count in several.values() if count <= 2)
    return seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5


def scored_by_counts(splits: Mapping[str, Sequence[Example]], predicted: Sequence[Prediction]) -> list[Prediction]:
    """The predictions for the test rows with the scores of what is expected by a model counted on the training rows.

    Args:
        splits: examples with `rows`: [{"ids", "expected"}] as the model reads them, and `words`: of the tokenizer.
        predicted: for the test rows.
    """
    words = splits["test"][0]["words"]
    model = BackOff((row["ids"] for example in splits["train"] for row in example["rows"]), words)
    found = []
    for example, prediction in zip(splits["test"], predicted, strict=True):
        parts = [model.scores(row["ids"], row["expected"]) for row in example["rows"]]
        found.append(prediction | {"scores": [sum(column) for column in zip(*parts, strict=True)]})
    return found
