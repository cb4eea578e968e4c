"""Adversarial training over several small steps of the embeddings, whose gradients of the weights are averaged.

Source: Zhu et al. 2020, FreeLB, arXiv:1909.11764
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
    """How far, in how many steps. Lengths are over all the tokens of a text together.

    Attributes:
        steps: passes of each batch.
        start: length of the random change of the first.
        step: length of each step.
        size: of the whole change, at most.
    """

    name: Literal["freelb"]
    steps: int = Field(ge=2)
    start: float = Field(ge=0)
    step: float = Field(gt=0)
    size: float = Field(gt=0)


def check(task: Any, train: Any) -> None:
    """Raise ParamsError where the change would not be seen."""
    from stages.regularizers._perturbation import check_reaches

    check_reaches("freelb", task, train)


def regularize(learner: Learner, params: Params) -> None:
    """Take the mean of the losses on the way up."""
    import torch

    from stages.regularizers._perturbation import TINY, length_of, perturbing

    def losses(batch: Batch) -> Iterator[torch.Tensor]:
        with perturbing(learner.model, batch, params.start) as (perturbation, changed):
            for _ in range(params.steps):
                yield learner.loss(changed) / params.steps
                moved = perturbation.added + params.step * perturbation.direction
                perturbation.added = moved * torch.clamp(params.size / (length_of(moved) + TINY), max=1.0)

    learner.losses = losses
