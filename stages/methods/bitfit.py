"""Biases alone train, and the head.

Source: Ben Zaken et al. 2022, BitFit, arXiv:2106.10199
"""

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

    name: Literal["bitfit"]


def check(task: Any, params: Params) -> None:
    """It is for every task."""


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with its biases and its head trainable.

    Raises:
        ParamsError: it has no biases, as T5 and Llama.
    """
    from stages.shared.errors import ParamsError
    from stages.shared.layers import head_names, train_only

    model = start.load()
    biases = {name for name, _ in model.named_parameters() if name.rpartition(".")[2] == "bias"}
    if not biases - head_names(model):
        raise ParamsError(
            f"train.method: bitfit: the layers of a {model.config.model_type} have no biases. "
            f"The nearest method that works is ia3, which trains about as few weights."
        )
    return Trainable(train_only(model, biases | head_names(model)))


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
