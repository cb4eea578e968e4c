"""Learnt words before the text; they and the head train.

They cannot be merged into the weights: they stay before the model, and are exported with it.
Source: Lester et al. 2021, The power of scale for parameter-efficient prompt tuning, arXiv:2104.08691
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.methods import Start, Trainable
from stages.methods._vectors import check_vectors, with_vectors
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "task"


class Params(Choice):
    """Its size.

    Attributes:
        tokens: how many vectors stand before the text.
    """

    name: Literal["prompt"]
    tokens: int = Field(gt=0)


def check(task: Any, params: Params) -> None:
    """Raise ParamsError for a task that writes, or reads pictures."""
    check_vectors(task, params.name)


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model behind the vectors. Raises ParamsError where its architecture has no place for them."""
    return with_vectors(start, params.name, params.tokens)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
