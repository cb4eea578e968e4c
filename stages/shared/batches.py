"""Batches of texts of similar length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np

WINDOW = 50  # batches of a window: within it the examples are sorted, so larger pads less and mixes less


def shuffled_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of an epoch: every example exactly once, in an order of their own for each seed and epoch.

    The examples are shuffled, sorted by length within large windows, cut into batches, and the batches shuffled.
    """
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(lengths)).tolist()
    span = batch_size * WINDOW
    ordered = [
        index
        for start in range(0, len(shuffled), span)
        for index in sorted(shuffled[start : start + span], key=lengths.__getitem__)
    ]
    batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    return [batches[position] for position in rng.permutation(len(batches))]


def sorted_batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """The batches of a measurement: every example once, the longest first, so that too little memory shows at once."""
    ordered = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]


def padded_share(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """The fraction of all tokens shown to the model that is padding."""
    filled = sum(max(lengths[index] for index in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths[index] for batch in batches for index in batch) / filled if filled else 0.0
