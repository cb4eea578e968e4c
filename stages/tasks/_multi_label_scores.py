"""How right sets of labels are, from counts of rows that can be added up; and the best threshold for a label."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.shared.outcome import Metrics

Marks = npt.NDArray[np.bool_]  # (rows, labels): which labels each row has
Figures = npt.NDArray[np.float64]

LOWEST, UNDECIDED, HIGHEST = 0.05, 0.5, 0.95


def marks_of(sets: Sequence[Collection[str]], labels: Sequence[str]) -> Marks:
    """Which of the labels each row has."""
    return np.array([[label in chosen for label in labels] for chosen in sets], dtype=bool).reshape(-1, len(labels))


def counts_of(expected: Marks, predicted: Marks) -> Figures:
    """What is added up over rows, shape (rows, 3 x labels + 1): hits, answers and support of each label; all right."""
    right = (expected == predicted).all(axis=1, keepdims=True)
    return np.concatenate([expected & predicted, predicted, expected, right], axis=1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class LabelScores:
    """Figures of each label, shape (..., labels): fractions in [0, 1], 0 where 0 is divided by 0; `support` in rows."""

    precision: Figures
    recall: Figures
    f1: Figures
    support: Figures


def _share(part: Figures, whole: Figures) -> Figures:
    return part / np.maximum(whole, 1)


def _scores(hits: Figures, answered: Figures, support: Figures) -> LabelScores:
    return LabelScores(_share(hits, answered), _share(hits, support), _share(2 * hits, answered + support), support)


def _three(sums: Figures) -> tuple[Figures, Figures, Figures]:
    """Hits, answers and support of each label."""
    hits, answered, support = np.split(sums[..., :-1], 3, axis=-1)
    return hits, answered, support


def label_scores(sums: Figures) -> LabelScores:
    """The figures of each label, given sums of `counts_of`, shape (..., 3 x labels + 1)."""
    return _scores(*_three(sums))


def set_scores(sums: Figures, rows: int) -> dict[str, Figures]:
    """The figures over all labels, each of the shape that `sums` has without its last axis.

    `micro` counts every pair of row and label alike, `macro` is the mean over the labels; `subset_accuracy` is the
    share of rows whose labels are all right, `hamming_loss` the share of pairs of row and label that are wrong.

    Source: Zhang and Zhou 2014, A review on multi-label learning algorithms, section 2.2
    """
    hits, answered, support = _three(sums)
    micro = _scores(hits.sum(axis=-1), answered.sum(axis=-1), support.sum(axis=-1))
    macro = label_scores(sums)
    wrong = (answered + support - 2 * hits).mean(axis=-1)
    return {
        "subset_accuracy": sums[..., -1] / rows,
        "hamming_loss": wrong / rows,
        **{f"micro_{name}": getattr(micro, name) for name in ("precision", "recall", "f1")},
        **{f"macro_{name}": getattr(macro, name).mean(axis=-1) for name in ("precision", "recall", "f1")},
    }


def metrics_of(expected: Marks, predicted: Marks) -> Metrics:
    """Every figure over all labels, as numbers."""
    sums = counts_of(expected, predicted).sum(axis=0)
    return {name: float(value) for name, value in set_scores(sums, len(expected)).items()}


def best_threshold(scores: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """The score from which a label is given so that its F1 is highest; of equally good ones the nearest to 0.5.

    Tried are 0.05, 0.5, 0.95 and what lies midway between two neighbouring scores in between. A label without a row
    keeps 0.5.

    Args:
        scores: of each row, from 0 to 1, shape (rows,).
        expected: whether each row has the label, shape (rows,).

    Source: Yang 2001, A study of thresholding strategies for text categorization (SCut)
    """
    scores, expected = np.asarray(scores, dtype=np.float64), np.asarray(expected, dtype=bool)
    if not expected.any():
        return UNDECIDED
    steps = np.unique(scores)
    between = (steps[:-1] + steps[1:]) / 2
    tried = np.append(between[(between > LOWEST) & (between < HIGHEST)], [LOWEST, UNDECIDED, HIGHEST])
    answered = len(scores) - np.searchsorted(np.sort(scores), tried)
    hits = expected.sum() - np.searchsorted(np.sort(scores[expected]), tried)
    f1 = 2 * hits / (answered + expected.sum())
    best = np.sort(tried[f1 == f1.max()])
    return float(best[np.abs(best - UNDECIDED).argmin()])
