"""How sure a figure is: the test rows resampled, for several models at once.

To draw rows with replacement is to draw a multinomial count of each row. Labels have few kinds of rows (expected label,
label by each model): there a resample costs as much as there are kinds, however many rows there are.

Source: Efron and Tibshirani 1993, An introduction to the bootstrap, chapters 13 (percentile intervals) and 16
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]
Counts = npt.NDArray[np.float64]
_AT_ONCE = 100  # resamples drawn at once: bounds the memory when there are many kinds of rows
_CELLS_AT_ONCE = 4_000_000  # resamples x rows that are held at once: 32 MB


def interval(values: npt.NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resampled_sums(counts: npt.ArrayLike, samples: int, seed: int) -> Counts:
    """The column sums of `counts` in each resample of its rows, shape (samples, columns).

    The rows drawn depend on their number, `samples` and `seed` alone: sums of two calls that share these are paired.

    Args:
        counts: what is summed, such as the hits of each row, shape (rows, columns); one row at least.
    """
    values = np.asarray(counts, dtype=np.float64)
    rows = len(values)
    rng = np.random.default_rng(seed)
    size = max(1, _CELLS_AT_ONCE // rows)
    parts = []
    for start in range(0, samples, size):
        drawn = (rng.integers(0, rows, rows) for _ in range(min(size, samples - start)))
        parts.append(np.stack([np.bincount(one, minlength=rows) for one in drawn]) @ values)
    return np.concatenate(parts)


def resampled_scores(
    expected: Indices, predicted: Sequence[Indices], labels: Sequence[str], samples: int, seed: int
) -> list[dict[str, npt.NDArray[np.float64]]]:
    """Accuracy, macro, weighted and per-label F1 of each model in every resample, the same resamples for all models.

    Args:
        expected: index of the expected label, shape (rows,).
        predicted: the same of each model's answers.
        labels: the name of each label; its F1 comes out as `f1.<label>`.

    Returns:
        For each model: name of the figure: its values, shape (samples,). 0 where 0 is divided by 0.
    """
    kinds, counts = np.unique(np.stack([expected, *predicted], axis=1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, samples, _AT_ONCE):
        size = min(_AT_ONCE, samples - start)
        draws = rng.multinomial(len(expected), counts / len(expected), size=size).astype(np.float64)
        parts.append([_scores(draws, kinds[:, 0], kinds[:, column], labels) for column in range(1, kinds.shape[1])])
    models = zip(*parts, strict=True)
    return [{name: np.concatenate([part[name] for part in model]) for name in model[0]} for model in models]


def _scores(draws: Counts, expected: Indices, predicted: Indices, labels: Sequence[str]) -> dict[str, Counts]:
    """The figures of each draw; `draws` has shape (samples, kinds), the others (kinds,)."""
    each = np.eye(len(labels))
    rows = draws.sum(axis=1)
    support, answered = draws @ each[expected], draws @ each[predicted]
    hits = draws @ (each[expected] * (expected == predicted)[:, None])
    f1 = 2 * hits / np.maximum(support + answered, 1)
    return {
        "accuracy": hits.sum(axis=1) / rows,
        "macro_f1": f1.mean(axis=1),
        "weighted_f1": (f1 * support).sum(axis=1) / rows,
        **{f"f1.{label}": f1[:, column] for column, label in enumerate(labels)},
    }
