"""The matrix products of an encoder's training step, and nothing else: what a step cannot be faster than."""

from collections.abc import Callable, Sequence
from typing import Any

import torch


def products_of(lengths: Sequence[int], config: Any, kind: torch.dtype) -> Callable[[], None]:
    """The matrix products of a batch, forward and backward: (tokens, in) x (in, out) of each linear map, and attention.

    Attention is counted with as many tokens in each text as the batch has in the mean.
    """
    tokens, width, inner = sum(lengths), config.hidden_size, config.intermediate_size
    shapes = [(width, width)] * 4 + [(width, inner), (inner, width)]
    maps = [(torch.ones(tokens, i, dtype=kind), torch.ones(o, i, dtype=kind), o) for i, o in shapes]
    heads = config.num_attention_heads
    one = torch.ones(len(lengths) * heads, round(tokens / len(lengths)), width // heads, dtype=kind)
    scores = one @ one.transpose(1, 2)
    made = {o: torch.ones(tokens, o, dtype=kind) for _, _, o in maps}

    def work() -> None:
        for _ in range(config.num_hidden_layers):
            for given, weight, o in maps:
                torch.mm(given, weight.T)
                torch.mm(made[o], weight)
                torch.mm(made[o].T, given)
            for _ in range(2):  # scores and values, each with two products for its gradients
                torch.bmm(one, one.transpose(1, 2))
                torch.bmm(scores, one)
                torch.bmm(scores.transpose(1, 2), one)

    return work
