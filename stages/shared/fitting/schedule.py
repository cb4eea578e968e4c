"""The learning rate of each update: a warm-up, then a way down."""

import math
from collections.abc import Callable

from stages.shared.fitting_params import Fitting

POWER = 2  # of the polynomial

FALLS: dict[str, Callable[[float], float]] = {  # of the share of what follows the warm-up that is still to come
    "linear": lambda left: left,
    "cosine": lambda left: (1 - math.cos(math.pi * left)) / 2,
    "polynomial": lambda left: left**POWER,
    "constant": lambda left: 1.0,
}


def warmup_updates(updates: int, params: Fitting) -> int:
    """The updates over which the rate rises: a share of all, or a number of them."""
    return round(updates * params.warmup) if params.warmup < 1 else min(updates, int(params.warmup))


def learning_rate(update: int, updates: int, params: Fitting, highest: float) -> float:
    """The rate of an update, counted from 1: up in a line to the highest, then down as scheduled, never quite 0."""
    warmup = warmup_updates(updates, params)
    if update <= warmup:
        return highest * update / warmup
    return highest * FALLS[params.schedule]((updates - update + 1) / (updates - warmup))
