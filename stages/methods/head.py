"""The head alone, on embeddings that are computed once: a linear probe, in seconds.

A text's embedding is the mean of its tokens, as of a sentence encoder; a decoder's, that of its last token. Epochs,
learning rate and the like have no say: the weights of the head are solved for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stages.methods import Start, Trainable
from stages.shared.errors import ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "nothing"


class Params(Choice):
    """How free the head is.

    Attributes:
        penalties: on its squared weights, each as 1 / C of a logistic regression; the best on validation is kept.
    """

    name: Literal["head"]
    penalties: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


def check(task: Any, params: Params) -> None:
    """Raise ParamsError where a task has no head to train."""
    if task.head in ("sentence", "seq2seq", "causal_lm", "masked_lm"):
        raise ParamsError(
            f"train.method: head: the task '{task.settings()['task']}' has no head of its own to train. "
            f"The nearest method that works is freeze, which trains the upper layers."
        )


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with its head solved for: none of its weights is left to train."""
    from stages.methods._embedding import embedding_model
    from stages.methods._probe import fit_best_top

    model = embedding_model(start).requires_grad_(False)
    fit_best_top(model, data, params.penalties, plan.values.batch_size)
    return Trainable(model)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
