"""Full fine-tuning: every weight trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from stages.methods import Start
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KEEPS_HEAD = True


class Params(Choice):
    """No options."""

    name: Literal["full"]


def check(task: Any, params: Params) -> None:
    """It is for every task."""


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, params: Params) -> PreTrainedModel:
    """The model with all its weights trainable."""
    return start.load().requires_grad_(True)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
