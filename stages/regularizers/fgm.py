"""Adversarial training: the loss also of the embeddings a step further in the direction in which it grows fastest.

Source: Miyato et al. 2017, Adversarial training methods for semi-supervised text classification, arXiv:1605.07725
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.shared.sections import Choice

if TYPE_CHECKING:
    import torch

    from stages.shared.fitting import Learner
    from stages.tasks import Batch


class Params(Choice):
    """How far.

    Attributes:
        size: length of the step, over all the tokens of a text together. The word vectors of the bundled base are
            about 1.1 long.
    """

    name: Literal["fgm"]
    size: float = Field(gt=0)


def check(task: Any, train: Any) -> None:
    """Raise ParamsError where the change would not be seen."""
    from stages.regularizers._perturbation import check_reaches

    check_reaches("fgm", task, train)


def regularize(learner: Learner, params: Params) -> None:
    """After each loss take the step, and add the loss there."""
    from stages.regularizers._perturbation import perturbing

    def losses(batch: Batch) -> Iterator[torch.Tensor]:
        with perturbing(learner.model, batch) as (perturbation, changed):
            yield learner.loss(changed)
            perturbation.added = params.size * perturbation.direction
            yield learner.loss(changed)

    learner.losses = losses
