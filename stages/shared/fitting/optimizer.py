"""The optimiser, its learning rate, and one update of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from stages.shared.params import Fitting
from stages.shared.predict import inputs_of

if TYPE_CHECKING:
    from stages.tasks import Batch, Task


def make_optimizer(model: PreTrainedModel, params: Fitting) -> torch.optim.AdamW:
    """AdamW over the trainable weights, without decay on biases and norms (all that is a vector).

    Source: Loshchilov and Hutter 2019, Decoupled weight decay regularization, arXiv:1711.05101
    """
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in trainable if weight.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [weight for weight in trainable if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)


def learning_rate(update: int, updates: int, params: Fitting) -> float:
    """The rate of an update, counted from 1: up in a line over the warm-up, then down in a line, never quite 0."""
    warmup = round(updates * params.warmup_share)
    if update <= warmup:
        return params.learning_rate * update / warmup
    return params.learning_rate * (updates - update + 1) / (updates - warmup)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` for the next update."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def add_gradients(
    model: PreTrainedModel,
    batches: Sequence[Batch],
    task: Task,
    weights: torch.Tensor | None,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> torch.Tensor:
    """Add the gradients of the mean loss over all the batches together, as if they were one batch; give that loss.

    Each batch's summed loss is divided by the weight of the whole group, not of the batch, so that uneven batches
    and class weights give what the large batch gives.
    """
    total = torch.stack([task.loss_weight(batch, weights) for batch in batches]).sum()
    losses = []
    for batch in batches:
        loss = task.loss_sum(model(**inputs_of(batch, model)).logits, batch, weights) / total
        backward(loss)
        losses.append(loss.detach())
    return torch.stack(losses).sum()
