"""How well scores are predicted: correlation of values and of ranks, and the mean absolute error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stages.shared.csv_files import write_csv
from stages.shared.markdown import table

Values: TypeAlias = npt.NDArray[np.float64]

FIFTHS = 5
_CELLS_AT_ONCE = 1_000_000  # resamples x rows that are ranked at once: 8 MB an array


def fifth_of(scores: npt.ArrayLike, low: float, high: float) -> npt.NDArray[np.intp]:
    """Which fifth of the range each score is in, 0 to 4."""
    places = (np.asarray(scores, dtype=np.float64) - low) / (high - low) * FIFTHS
    return np.clip(places, 0, FIFTHS - 1).astype(np.intp)


def score_figures(expected: Values, predicted: Values) -> dict[str, Values]:
    """The figures of scores of shape (..., rows); a correlation is 0 where all of one side are equal.

    Returns:
        {"pearson", "spearman"} in [-1, 1], {"mean_absolute_error"} in the unit of the scores, each of shape (...).
    """
    from scipy.stats import rankdata

    return {
        "pearson": _correlation(expected, predicted),
        "spearman": _correlation(rankdata(expected, axis=-1), rankdata(predicted, axis=-1)),
        "mean_absolute_error": np.abs(expected - predicted).mean(axis=-1),
    }


def _correlation(one: Values, other: Values) -> Values:
    first, second = (values - values.mean(axis=-1, keepdims=True) for values in (one, other))
    spread = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    differ = (np.ptp(one, axis=-1) > 0) & (np.ptp(other, axis=-1) > 0) & (spread > 0)
    found: Values = np.where(differ, (first * second).sum(axis=-1) / np.where(differ, spread, 1), 0.0)
    return np.clip(found, -1, 1)


def resampled_score_figures(
    expected: Values, models: Sequence[Values], samples: int, seed: int
) -> list[dict[str, Values]]:
    """The figures of each model in resamples of the rows that are the same for all, each of shape (samples,)."""
    rng = np.random.default_rng(seed)
    rows = len(expected)
    size = max(1, _CELLS_AT_ONCE // rows)
    parts: list[list[dict[str, Values]]] = []
    for start in range(0, samples, size):
        drawn = rng.integers(0, rows, (min(size, samples - start), rows))
        parts.append([score_figures(expected[drawn], predicted[drawn]) for predicted in models])
    return [
        {name: np.concatenate([figures[name] for figures in pieces]) for name in pieces[0]}
        for pieces in zip(*parts, strict=True)
    ]


def score_report(out: Path, expected: Values, predicted: Values, span: tuple[float, float]) -> str:
    """Write plots/scores.csv, scores.csv and a picture of both; give the fifths of the expected scores as Markdown."""
    write_csv(
        out / "plots/scores.csv", ("expected", "predicted"), zip(expected.tolist(), predicted.tolist(), strict=True)
    )
    _draw(out / "pictures/scores.png", expected, predicted, span)
    fifths, edges = fifth_of(expected, *span), np.linspace(*span, FIFTHS + 1)
    rows: list[tuple[object, ...]] = []
    for fifth in range(FIFTHS):
        here = fifths == fifth
        if here.any():
            name = f"{edges[fifth]:g} to {edges[fifth + 1]:g}"
            error = np.abs(expected[here] - predicted[here]).mean()
            rows.append((name, int(here.sum()), *map(float, (expected[here].mean(), predicted[here].mean(), error))))
    header = ("expected score", "rows", "mean expected", "mean predicted", "mean absolute error")
    write_csv(out / "scores.csv", header, rows)
    return f"## Scores\n\n{table(header, rows)}"


def _draw(path: Path, expected: Values, predicted: Values, span: tuple[float, float]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(span, span, color="grey", linestyle=":", label="right")
    axes.scatter(expected, predicted, s=8, alpha=0.4)
    axes.set(xlim=span, ylim=span, xlabel="expected", ylabel="predicted", title="Scores")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
