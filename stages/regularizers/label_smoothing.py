"""A share of the probability is expected of all options, so that the model is never quite sure.

Source: Szegedy et al. 2016, Rethinking the Inception architecture, arXiv:1512.00567
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


class Params(Choice):
    """How much.

    Attributes:
        share: fraction of the probability that is spread over all options.
    """

    name: Literal["label_smoothing"]
    share: float = Field(gt=0, lt=1)


def check(task: Any, train: Any) -> None:
    """Raise ParamsError where what is expected is no choice out of options, or focal loss is used."""
    if task.settings()["answers"] == "score":
        raise ParamsError(
            "train.regularizers: label_smoothing: a score is not one of several options, so there is nothing to spread "
            "over. The nearest that works is rdrop."
        )
    if train.focal_gamma:
        raise ParamsError(
            "train.regularizers: label_smoothing: focal loss (train.focal_gamma) already changes how sure the model "
            "gets. Set focal_gamma to 0, or leave label_smoothing out."
        )


def regularize(learner: Learner, params: Params) -> None:
    """Add the cross entropy to an even distribution over the options, in its share."""
    plain = learner.loss_of

    def loss_of(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        said = learner.choices(logits, batch).logits.float()
        told, there = said.log_softmax(dim=-1), said.isfinite()
        even = -(told.masked_fill(~there, 0).sum(dim=-1) / there.sum(dim=-1)).mean()
        return (1 - params.share) * plain(logits, batch) + params.share * even * learner.weight_of(batch)

    learner.loss_of = loss_of
