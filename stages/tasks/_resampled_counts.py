"""How sure precision, recall and F1 are, from what each row holds of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stages.shared.bootstrap import resampled_sums

Values = npt.NDArray[np.float64]


def resampled_figures(
    counts: npt.NDArray[np.integer], labels: Sequence[str], samples: int, seed: int
) -> dict[str, Values]:
    """Micro precision, recall and F1, macro F1 and `f1.<label>` in resamples of the rows, each of shape (samples,).

    The same rows are drawn for the same number of rows, `samples` and `seed`. 0 where 0 is divided by 0.

    Args:
        counts: of each row and class how many are right, were answered and were expected, shape (rows, classes, 3).
    """
    rows, classes, _ = counts.shape
    sums = resampled_sums(counts.reshape(rows, classes * 3), samples, seed).reshape(samples, classes, 3)
    hits, answered, expected = sums.sum(axis=1).T
    f1 = _f1(sums[..., 0], sums[..., 1], sums[..., 2])
    return {
        "precision": hits / np.maximum(answered, 1),
        "recall": hits / np.maximum(expected, 1),
        "f1": _f1(hits, answered, expected),
        "macro_f1": f1.mean(axis=1),
        **{f"f1.{label}": f1[:, column] for column, label in enumerate(labels)},
    }


def _f1(hits: Values, answered: Values, expected: Values) -> Values:
    return np.asarray(2 * hits / np.maximum(answered + expected, 1))
