"""Two passes with different dropout must say the same.

Source: Liang et al. 2021, R-Drop, arXiv:2106.14448
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.shared.errors import ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    import torch

    from stages.shared.fitting import Learner
    from stages.tasks import Batch

NEVER = -1e4  # a logit in the place of -inf, whose difference to another would be no number


class Params(Choice):
    """How much.

    Attributes:
        weight: of the divergence of the two, beside the mean of their losses.
    """

    name: Literal["rdrop"]
    weight: float = Field(gt=0)


def check(task: Any, train: Any) -> None:
    """Raise ParamsError where nothing drops out, or mixup takes the pass for itself."""
    if train.dropout == 0:
        raise ParamsError(
            "train.regularizers: rdrop: two passes differ by their dropout alone, and train.dropout is 0. Set dropout "
            "to null or more than 0, or leave rdrop out."
        )
    if any(other.name == "mixup" for other in train.regularizers):
        raise ParamsError(
            "train.regularizers: rdrop, mixup: each mixes the passes of a batch in its own way. Choose one of them; "
            "either goes with label_smoothing and fgm."
        )


def _divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Half the sum of the Kullback-Leibler divergences in both directions, mean over (choices, options) logits."""
    first, second = (said.float().clamp(min=NEVER).log_softmax(dim=-1) for said in (one, other))
    return ((first.exp() - second.exp()) * (first - second)).sum(dim=-1).mean() / 2


def regularize(learner: Learner, params: Params) -> None:
    """Take the mean loss of two passes, and add how far they diverge."""

    def loss(batch: Batch) -> torch.Tensor:
        one, other = learner.logits(batch), learner.logits(batch)
        mean = (learner.loss_of(one, batch) + learner.loss_of(other, batch)) / 2
        apart = _divergence(learner.choices(one, batch).logits, learner.choices(other, batch).logits)
        return mean + params.weight * apart * learner.weight_of(batch)

    learner.loss = loss
