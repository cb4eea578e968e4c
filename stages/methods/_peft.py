"""What the methods share that peft knows: its layers put into the model, and merged into it at the end."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stages.shared.errors import MachineError

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel


def require_peft(method: str) -> None:
    """Raise MachineError when peft is not installed."""
    if importlib.util.find_spec("peft") is None:
        raise MachineError(
            f"train.method: {method}: needs the Python package peft, which is not installed. "
            f"Run pip install -c constraints.txt -e '.[peft]', or choose full, freeze, bitfit or adapter."
        )


def with_layers(model: PreTrainedModel, config: Callable[[Any], PeftConfig]) -> Any:
    """The model with peft's layers in it; they train, and the head does.

    Args:
        model: the base with the head of the task.
        config: gives peft's configuration; it is given peft.
    """
    import peft

    from stages.shared.layers import head_names

    head = head_names(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = peft.get_peft_model(model, config(peft))
    for name, weight in model.named_parameters():
        if name.replace(".base_layer.", ".") in head:
            weight.requires_grad_(True)
    return wrapped


def merged(model: Any) -> PreTrainedModel:
    """The model without peft's layers, which are merged into its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain: PreTrainedModel = model.merge_and_unload()
    return plain
