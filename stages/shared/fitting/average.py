"""A moving average of the weights while they train: what is measured and saved in their place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel


class Average:
    """The exponential moving average of the trainable weights.

    Of the first updates it is the plain mean, so that it starts at no weight's chance value: the decay of update t is
    at most t / (t + 1).
    Source: Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; Izmailov et al. 2018, arXiv:1803.05407
    """

    def __init__(self, model: PreTrainedModel, decay: float) -> None:
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._averages = [weight.detach().clone() for weight in self._weights]
        self._decay, self._updates = decay, 0

    def update(self) -> None:
        """Take the weights in as they are after an update."""
        decay = min(self._decay, self._updates / (self._updates + 1))
        self._updates += 1
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, [weight.detach() for weight in self._weights], 1 - decay)

    def state(self) -> dict[str, Any]:
        """What it takes to go on."""
        return {"averages": self._averages, "updates": self._updates}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._updates = state["updates"]
        for average, value in zip(self._averages, state["averages"], strict=True):
            average.copy_(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """With the averages in the place of the weights; afterwards with those again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        with torch.no_grad():
            for weight, average in zip(self._weights, self._averages, strict=True):
                there = weight.detach().clone()
                weight.copy_(average)
                average.copy_(there)
