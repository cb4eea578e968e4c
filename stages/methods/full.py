"""Full fine-tuning: every weight trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Params(Choice):
    """No options."""

    name: Literal["full"]


def prepare(model: PreTrainedModel, params: Params) -> PreTrainedModel:
    """The model with all its weights trainable."""
    return model.requires_grad_(True)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
