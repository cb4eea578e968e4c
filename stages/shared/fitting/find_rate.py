"""A short range test for the learning rate: it rises until the loss does."""

import logging
import math
from collections.abc import Callable, Sequence

from stages.shared.fitting.history import Row

log = logging.getLogger(__name__)
LOWEST, HIGHEST, UPDATES = 1e-6, 1e-1, 100  # of the rates that are tried, one an update, evenly in their logarithms
SMOOTHING, DIVERGED = 0.9, 2.0  # of the losses; and how many times the lowest of them ends the test
BELOW = 10  # the rate that is taken is that of the lowest loss, divided by this


def range_test(update: Callable[[int, float], float]) -> list[Row]:
    """Train with rising rates; give {"learning_rate", "loss" (smoothed, nats)} of each update.

    Source: Smith 2017, Cyclical learning rates for training neural networks, arXiv:1506.01186

    Args:
        update: changes the weights once, given the number of the update, from 0, and the rate; gives the loss.
    """
    curve: list[Row] = []
    average = 0.0
    for number in range(UPDATES):
        rate = LOWEST * (HIGHEST / LOWEST) ** (number / (UPDATES - 1))
        loss = update(number, rate)
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed = average / (1 - SMOOTHING ** (number + 1))
        if not math.isfinite(loss) or (curve and smoothed > DIVERGED * min(row["loss"] for row in curve)):
            break
        curve.append({"learning_rate": rate, "loss": smoothed})
    return curve


def rate_of(curve: Sequence[Row]) -> float:
    """The rate to train with: a tenth of the one at which the smoothed loss was lowest."""
    lowest = min(curve, key=lambda row: row["loss"])
    rate = lowest["learning_rate"] / BELOW
    log.info("learning rate found: %.2g, a tenth of that of the lowest loss in %d updates", rate, len(curve))
    return rate
