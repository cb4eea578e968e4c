"""What the loss of a batch is, in parts that regularizers replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from stages.shared.choices import Choices
from stages.shared.predict import inputs_of

if TYPE_CHECKING:
    from stages.tasks import Batch, Task


class Learner:
    """How a batch is learnt. Each attribute is a function that a regularizer may put another in the place of.

    Attributes:
        logits: what the model says of a batch.
        loss_of: the summed loss of what it says, given both; divided by the task's `loss_weight` it is the mean.
        loss: the summed loss of a batch, of one pass or of several.
        losses: gives the losses of a batch one after the other: each is propagated back before the next is asked for,
            and their gradients add up.
    """

    def __init__(self, model: PreTrainedModel, task: Task, weights: torch.Tensor | None) -> None:
        self.model, self.task, self.weights = model, task, weights
        self.logits: Callable[[Batch], torch.Tensor] = self._logits
        self.loss_of: Callable[[torch.Tensor, Batch], torch.Tensor] = self._loss_of
        self.loss: Callable[[Batch], torch.Tensor] = self._loss
        self.losses: Callable[[Batch], Iterator[torch.Tensor]] = self._losses

    def weight_of(self, batch: Batch) -> torch.Tensor:
        """What the summed loss of a batch is divided by, a scalar."""
        return self.task.loss_weight(batch, self.weights)

    def choices(self, logits: torch.Tensor, batch: Batch) -> Choices:
        """The choices of a batch."""
        return self.task.choices(logits, batch, self.weights)

    def _logits(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.model(**inputs_of(batch, self.model)).logits
        return logits

    def _loss_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self.task.loss_sum(logits, batch, self.weights)

    def _loss(self, batch: Batch) -> torch.Tensor:
        return self.loss_of(self.logits(batch), batch)

    def _losses(self, batch: Batch) -> Iterator[torch.Tensor]:
        yield self.loss(batch)


def add_gradients(
    learner: Learner,
    batches: Sequence[Batch],
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> torch.Tensor:
    """Add the gradients of the mean loss over all the batches together, as if they were one batch; give that loss.

    Each batch's summed loss is divided by the weight of the whole group, not of the batch, so that uneven batches
    and class weights give what the large batch gives. Where a batch has several losses, their sum counts.
    """
    total = torch.stack([learner.weight_of(batch) for batch in batches]).sum()
    losses = []
    for batch in batches:
        for summed in learner.losses(batch):
            loss = summed / total
            backward(loss)
            losses.append(loss.detach())
    return torch.stack(losses).sum()


def use_focal_loss(learner: Learner, gamma: float) -> None:
    """Let what is already right count less: each choice's cross entropy times (1 - p)^gamma, p that of the right one.

    Source: Lin et al. 2017, Focal loss for dense object detection, arXiv:1708.02002
    """

    def loss_of(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        choices = learner.choices(logits, batch)
        assert choices.expected is not None  # check_train refuses the others
        entropies = cross_entropy(choices.logits.float(), choices.expected, reduction="none")
        factors = (1 - (-entropies).exp()).clamp(min=0) ** gamma
        weights = torch.ones_like(entropies) if choices.weights is None else choices.weights
        return (weights * factors * entropies).sum() / weights.sum().clamp(min=1e-12) * learner.weight_of(batch)

    learner.loss_of = loss_of


def last_linear(model: nn.Module, outputs: int) -> nn.Linear | None:
    """The linear map that gives the outputs of a head: the last one of that many; None where there is none."""
    found = [module for module in model.modules() if isinstance(module, nn.Linear) and module.out_features == outputs]
    return found[-1] if found else None
