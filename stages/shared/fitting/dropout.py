"""Dropout while a model learns: how much in the place of what its configuration says, and drawn fast on a CPU.

torch draws on a CPU one Bernoulli trial for each element, which is a good part of a training step in bfloat16. Here 16
random bits decide on each, four of a 64-bit number: the share that is dropped is the nearest multiple of 1 / 65,536.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

CHANCES = 1 << 16  # of an element


def set_dropout(model: PreTrainedModel, share: float) -> None:
    """Let each layer that drops out drop this fraction while training; the configuration that is saved stays as it is.

    Attention keeps its share as a number of its own, of a name that differs by architecture.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name, value in vars(module).items():
            if "dropout" in name and type(value) in (int, float):
                setattr(module, name, share)


def _factors(like: torch.Tensor, share: float) -> torch.Tensor:
    """What each element is multiplied by: 0 with the chance `share`, else 1 / (1 - share); of the shape and type."""
    count, dropped = like.numel(), min(round(share * CHANCES), CHANCES - 1)
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]
    first_kept = dropped - CHANCES // 2
    kept = drawn.clamp_(first_kept - 1, first_kept).sub_(first_kept - 1) if dropped else torch.ones_like(drawn)
    scale = CHANCES / (CHANCES - dropped)
    if like.dtype == torch.bfloat16:  # a whole-number product gives the bits of 0 or of the scale
        bits = int(torch.tensor(scale, dtype=torch.bfloat16).view(torch.int16))
        return kept.mul_(bits).view(torch.bfloat16).view(like.shape)
    return kept.to(like.dtype).mul_(scale).view(like.shape)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, share: float) -> torch.Tensor:
        factors = _factors(given, share)
        ctx.save_for_backward(factors)
        return given * factors

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (factors,) = ctx.saved_tensors
        return gradients[0] * factors, None


def drop(given: torch.Tensor, share: float) -> torch.Tensor:
    """The elements, each 0 with the chance `share` and else divided by 1 - share; drawn by torch's generator."""
    dropped: torch.Tensor = _Dropout.apply(given, share)  # type: ignore[no-untyped-call]
    return dropped


def _drop_module(module: nn.Dropout, given: torch.Tensor) -> torch.Tensor:
    return drop(given, module.p) if module.training and module.p else given


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as an attention function of transformers gives it, with dropout drawn as above.

    Without dropout, and where more is asked for than a mask, it is torch's own.

    Args:
        query, key, value: (batch, heads, tokens, width).
        attention_mask: True where a query sees a key, or what is added to the scores; broadcast to
            (batch, heads, queries, keys).

    Returns:
        What is attended to, (batch, tokens, heads, width), and no weights.
    """
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    more = options.get("position_bias") is not None or options.get("cache") is not None
    if not dropout or more or query.shape[1] != key.shape[1] or (attention_mask is None and causal):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    scores = torch.matmul(query * (query.shape[-1] ** -0.5 if scaling is None else scaling), key.transpose(2, 3))
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    elif attention_mask is not None:
        scores = scores + attention_mask
    shares = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
    return torch.matmul(drop(shares, dropout), value).transpose(1, 2).contiguous(), None


@contextmanager
def fast_dropout(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Draw the dropout of a model so, in its layers and its attention, on a CPU; a GPU draws fast by itself."""
    if device.type != "cpu":
        yield
        return
    dropouts = [module for module in model.modules() if type(module) is nn.Dropout]
    for module in dropouts:
        module.forward = partial(_drop_module, module)  # type: ignore[method-assign]
    ALL_ATTENTION_FUNCTIONS["sdpa"] = attention
    try:
        yield
    finally:
        for module in dropouts:
            del module.forward
        del ALL_ATTENTION_FUNCTIONS["sdpa"]  # type: ignore[no-untyped-call]  # what stood there before shows again
