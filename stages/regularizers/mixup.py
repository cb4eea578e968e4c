"""Between two texts lies what is between their answers: their representations are mixed, and so are their losses.

Source: Zhang et al. 2018, mixup, arXiv:1710.09412; of sentence representations: Guo et al. 2019, arXiv:1905.08941
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
        alpha: of the Beta(alpha, alpha) that the share of the mixture is drawn from; 1 is even.
    """

    name: Literal["mixup"]
    alpha: float = Field(gt=0)


def check(task: Any, train: Any) -> None:
    """Raise ParamsError where a text has no one representation below a linear map, or rdrop takes the pass."""
    if task.head not in ("sequence", "compared", "picture"):
        raise ParamsError(
            f"train.regularizers: mixup: it mixes what the head reads of whole texts or pictures, and the task "
            f"'{task.settings()['task']}' has an answer for each token or none. The nearest that works is rdrop."
        )
    if any(other.name == "rdrop" for other in train.regularizers):
        raise ParamsError(
            "train.regularizers: mixup, rdrop: each mixes the passes of a batch in its own way. Choose one of them; "
            "either goes with label_smoothing and fgm."
        )


def regularize(learner: Learner, params: Params) -> None:
    """Mix what goes into the last linear map of the head, row by row, with the rows in another order.

    Raises:
        ParamsError: the head does not end in such a map.
    """
    import torch

    from stages.shared.fitting import last_linear

    outputs = len(learner.task.outputs)
    last = last_linear(learner.model, outputs)
    if last is None:
        raise ParamsError(
            f"train.regularizers: mixup: the head does not end in a linear map to its {outputs} outputs. "
            f"The nearest that works is rdrop."
        )
    beta = torch.distributions.Beta(params.alpha, params.alpha)

    def loss(batch: Batch) -> torch.Tensor:
        share = float(beta.sample())
        order = torch.randperm(len(batch["expected"])).to(batch["expected"].device)

        def mix(_head: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            return (share * given[0] + (1 - share) * given[0][order],)

        hook = last.register_forward_pre_hook(mix)
        try:
            logits = learner.logits(batch)
        finally:
            hook.remove()
        other = {**batch, "expected": batch["expected"][order]}
        return share * learner.loss_of(logits, batch) + (1 - share) * learner.loss_of(logits, other)

    learner.loss = loss
