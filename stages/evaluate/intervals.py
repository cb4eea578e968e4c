"""Figures with their 95 % intervals, and what one model gains on another."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stages.shared.bootstrap import interval
from stages.shared.outcome import Metrics

Resampled = Mapping[str, npt.NDArray[np.float64]]


def with_intervals(figures: Metrics, resampled: Resampled) -> Metrics:
    """The figures, and `<name>_low` and `<name>_high` beside each that was resampled."""
    found: Metrics = {}
    for name, value in figures.items():
        found[name] = value
        if name in resampled:
            found[f"{name}_low"], found[f"{name}_high"] = interval(resampled[name])
    return found


def gains(figures: Metrics, others: Metrics, resampled: tuple[Resampled, Resampled]) -> Metrics:
    """What the first model has more than the second of each resampled figure, with paired intervals."""
    ours, theirs = resampled
    return with_intervals(
        {name: figures[name] - others[name] for name in ours}, {name: ours[name] - theirs[name] for name in ours}
    )


def prefixed(prefix: str, metrics: Metrics) -> Metrics:
    """The metrics under `<prefix>.<name>`."""
    return {f"{prefix}.{name}": value for name, value in metrics.items()}
