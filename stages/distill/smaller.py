"""A smaller model made of a trained one: fewer layers, and narrower feed-forward parts."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from stages.shared.averaged import Averaged
from stages.shared.errors import ParamsError
from stages.shared.layers import configurations_of, narrows, stacks_of

WIDTHS = ("intermediate_size", "hidden_dim", "n_inner")  # what configurations call the feed-forward width


def single(model: PreTrainedModel) -> PreTrainedModel:
    """The model that a student is cut from: of an ensemble its first member."""
    members: list[Any] = list(model.members) if isinstance(model, Averaged) else [model]
    one: PreTrainedModel = members[0]
    return one


def stack_of(model: PreTrainedModel) -> nn.ModuleList:
    """The layers. Raises ParamsError where they are not one stack of like layers, as those of a ConvNeXt."""
    stacks = stacks_of(model)
    if len(stacks) != 1 or getattr(model.config.get_text_config(), "num_hidden_layers", None) != len(stacks[0]):
        raise ParamsError(
            f"distill.student: the layers of a {model.config.model_type} are not one stack of like layers, of which "
            f"some can be left out. Set it to null; the nearest that makes the model smaller is quantize."
        )
    return stacks[0]


def kept_layers(layers: int, kept: int) -> list[int]:
    """Which layers stay, evenly spread: of 6 the first, third and fifth; counted from 0.

    Source: Sanh et al. 2019, DistilBERT, arXiv:1910.01108, section 3
    """
    return [place * layers // kept for place in range(kept)]


def guides(layers: int, kept: Sequence[int]) -> list[int]:
    """After which layer of the teacher each kept layer should be where the teacher is: before the next that is kept."""
    return [*(place - 1 for place in kept[1:]), layers - 1]


def drop_layers(model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Leave out all layers but those, and say so in the configuration."""
    stack = stack_of(model)
    chosen = [stack[place] for place in kept]
    total = len(stack)
    del stack[len(chosen) :]
    for place, layer in enumerate(chosen):
        stack[place] = layer
        for part in layer.modules():  # decoders number their layers for the cache
            if isinstance(getattr(part, "layer_idx", None), int):
                part.layer_idx = place  # type: ignore[assignment]
    for config in configurations_of(model):
        for name, value in config.to_dict().items():  # such as the kind of each layer
            if isinstance(value, list) and len(value) == total:
                setattr(config, name, [value[place] for place in kept])
        config.num_hidden_layers = len(chosen)


def feed_forwards(model: PreTrainedModel) -> list[tuple[list[nn.Linear], nn.Linear]]:
    """Of each layer the maps into its feed-forward part, one or a gated pair, and the map out of it.

    Raises:
        ParamsError: they are not plain linear maps of one width.
    """
    found: list[tuple[list[nn.Linear], nn.Linear]] = []
    for layer in stack_of(model):
        maps = [module for module in layer.modules() if isinstance(module, nn.Linear)]
        downs = [module for module in maps if narrows(module)]
        ups = [module for module in maps if downs and module.out_features == downs[0].in_features]
        if len(downs) != 1 or not ups:
            raise ParamsError(
                f"distill.student.feed_forward: the feed-forward part of a {model.config.model_type} is not made of "
                f"plain linear maps. Set it to 1.0; the nearest that works is to keep fewer layers."
            )
        found.append((ups, downs[0]))
    return found


class Importance:
    """How much the loss hangs on each inner unit of the feed-forward parts: the sum of |activation x gradient|.

    Source: Molchanov et al. 2019, Importance estimation for neural network pruning, arXiv:1906.10771, equation 8
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._parts = [down for _, down in feed_forwards(model)]
        self.sums = [torch.zeros(down.in_features) for down in self._parts]
        self._hooks: list[Any] = []

    def __enter__(self) -> Importance:
        for place, down in enumerate(self._parts):
            self._hooks.append(down.register_forward_pre_hook(partial(self._see, place)))
        return self

    def __exit__(self, *_: Any) -> None:
        for hook in self._hooks:
            hook.remove()

    def _see(self, place: int, _down: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        inner = given[0]

        def add(gradient: torch.Tensor) -> None:
            self.sums[place] += (inner * gradient).detach().abs().flatten(0, -2).sum(dim=0).cpu()

        inner.register_hook(add)  # type: ignore[no-untyped-call]


def _part(product: nn.Linear, rows: torch.Tensor | None, columns: torch.Tensor | None) -> Iterator[tuple[str, Any]]:
    weight = product.weight if rows is None else product.weight[rows]
    yield "weight", weight if columns is None else weight[:, columns]
    if product.bias is not None:
        yield "bias", product.bias if rows is None else product.bias[rows]


def narrow(model: PreTrainedModel, sums: Sequence[torch.Tensor], share: float) -> None:
    """Keep that fraction of the inner units of each feed-forward part, the most important ones, in their order."""
    for (ups, down), important in zip(feed_forwards(model), sums, strict=True):
        kept = important.topk(max(1, round(share * len(important)))).indices.sort().values
        for product, rows, columns in [*((up, kept, None) for up in ups), (down, None, kept)]:
            for name, values in list(_part(product, rows, columns)):
                setattr(product, name, nn.Parameter(values.detach().clone()))
            product.out_features, product.in_features = product.weight.shape
    width = len(kept)
    for config in configurations_of(model):
        for name in WIDTHS:
            if name in config.to_dict():
                setattr(config, name, width)


def copied(model: PreTrainedModel) -> PreTrainedModel:
    """A model of its own, with the same weights, all of which train."""
    student: PreTrainedModel = copy.deepcopy(single(model))
    return student.requires_grad_(True)
