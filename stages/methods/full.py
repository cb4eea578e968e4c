"""Full fine-tuning: every weight trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from stages.methods import Start, Trainable
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "task"


class Params(Choice):
    """No options."""

    name: Literal["full"]


def check(task: Any, params: Params) -> None:
    """It is for every task."""


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with its weights trainable, but for those that it computes and never saves, as Marian's positions."""
    model = start.load().requires_grad_(True)
    for name in model._keys_to_ignore_on_save or ():
        model.get_parameter(name).requires_grad_(False)
    return Trainable(model)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
