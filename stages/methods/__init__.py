"""Which weights train. A method is a file of this folder that has:

class Params(Choice)              its options in params.yaml
def prepare(model, params)        the model with the right weights trainable
def finish(model)                 a plain model that loads without the method's library
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # every stage reads the method's Params, and most need no torch
    from transformers import PreTrainedModel


class Method(Protocol):
    """What a file of this folder provides."""

    def prepare(self, model: PreTrainedModel, params: Any) -> PreTrainedModel:
        """The model whose trainable parameters are those that the method trains."""
        ...

    def finish(self, model: PreTrainedModel) -> PreTrainedModel:
        """The trained model in the layout of the base."""
        ...
