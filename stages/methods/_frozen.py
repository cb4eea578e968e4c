"""A model whose lower part does not train, and neither drops out nor runs twice for the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.methods import Trainable
from stages.shared.errors import ParamsError
from stages.shared.fitting import Hooks
from stages.shared.kept import Kept
from stages.shared.layers import body_of, keep_still, stacks_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from stages.methods.freeze import Params


def _tables(body: nn.Module) -> list[nn.Module]:
    """What stands below the layers: embeddings of words, positions and types, or of a picture's patches."""
    layers = {id(module) for stack in stacks_of(body) for module in stack.modules()}  # type: ignore[arg-type]
    below = []
    for name, child in body.named_modules():
        if "embed" in name.rpartition(".")[2] and id(child) not in layers:
            below.append(child)
    return below


def freeze_lower(model: PreTrainedModel, params: Params) -> Trainable:
    """The model with its embeddings and lower layers frozen.

    Raises:
        ParamsError: it has not so many layers.
    """
    stack = stacks_of(model)[0]
    if params.layers > len(stack):
        raise ParamsError(
            f"train.method.layers: {params.layers}: the base has {len(stack)} layers. Freeze fewer, or choose head to "
            f"train the head alone."
        )
    model.requires_grad_(True)
    for name in model._keys_to_ignore_on_save or ():
        model.get_parameter(name).requires_grad_(False)
    lower = list(stack)[: params.layers]
    for module in [*_tables(body_of(model)), *lower]:
        keep_still(module)
    if not lower or not params.keep:
        return Trainable(model)
    kept = Kept(model, lower)
    return Trainable(model, Hooks(state=kept), around=kept)
