"""Dropout while a model learns, in the place of what its configuration says."""

from torch import nn
from transformers import PreTrainedModel


def set_dropout(model: PreTrainedModel, share: float) -> None:
    """Let each layer that drops out drop this fraction while training; the configuration that is saved stays as it is.

    Attention keeps its share as a number of its own, of a name that differs by architecture.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name, value in vars(module).items():
            if "dropout" in name and type(value) in (int, float):
                setattr(module, name, share)
