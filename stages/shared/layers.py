"""The parts of a model by what they do, whatever its architecture calls them: its layers, its head, its products."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

READS = re.compile(r"(^|\.)(q|k|v|query|key|value|[qkv]_proj|[qkv]_lin|c_attn|Wqkv|qkv|query_key_value)$")
KEYS_AND_VALUES = re.compile(r"(^|\.)(k|v|key|value|k_proj|v_proj|k_lin|v_lin|c_attn|Wqkv|qkv|query_key_value)$")


def behind(model: Any) -> Any:
    """The model behind what peft puts around it; any other as it is."""
    return model.get_base_model() if getattr(model, "peft_config", None) else model


def body_of(model: PreTrainedModel) -> nn.Module:
    """What a head stands on: of a headed model its body, of the usual classes the model without a head."""
    body = getattr(model, "body", None)
    if isinstance(body, PreTrainedModel):
        return body_of(body)
    inner: nn.Module = model.base_model
    return inner


def configurations_of(model: PreTrainedModel) -> list[Any]:
    """The configurations of the model and of its body: mostly one and the same."""
    both: list[Any] = [model.config, body_of(model).config]
    return both if both[0] is not both[1] else both[:1]


def stacks_of(model: PreTrainedModel) -> list[nn.ModuleList]:
    """The stacks of layers, lowest layer first: one, or those of encoder and decoder; of a ConvNeXt its stages."""

    def outermost(module: nn.Module) -> Iterator[nn.ModuleList]:
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len({type(layer) for layer in child}) == 1:
                yield child
            else:
                yield from outermost(child)

    return list(outermost(body_of(model)))


def products_of(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The layers' own linear maps, by name: attention and feed-forward, without embeddings and head."""
    inside = {id(module) for stack in stacks_of(model) for module in stack.modules()}
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and id(module) in inside
    }


def narrows(product: nn.Module) -> bool:
    """Whether a linear map gives less than it is given, as the second of a feed-forward part."""
    if isinstance(product, Conv1D):
        return bool(product.nx > product.nf)
    return isinstance(product, nn.Linear) and product.in_features > product.out_features


def keys_and_values(products: dict[str, nn.Module]) -> list[str]:
    """The names of those that give the keys or values of an attention, or both together with its queries."""
    return [name for name in products if KEYS_AND_VALUES.search(name)]


def head_names(model: PreTrainedModel) -> set[str]:
    """The names of the weights above the layers that belong to no word: the head, and a pooler made for one.

    What names words, as the last layer of a language model, is as good as an embedding and is not counted.
    """
    body = {id(weight) for weight in body_of(model).parameters()}
    words: nn.Module | None = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    last = set() if words is None else {id(words.weight)}
    return {
        name
        for name, weight in model.named_parameters()
        if id(weight) not in last and (id(weight) not in body or ".pooler." in f".{name}")
    }


def norm_names(model: PreTrainedModel) -> set[str]:
    """The names of the weights of the layers' norms, of whatever kind: their vectors that are no bias of a product."""
    inside = {
        id(weight)
        for stack in stacks_of(model)
        for module in stack.modules()
        if "norm" in type(module).__name__.lower()
        for weight in module.parameters(recurse=False)
    }
    return {name for name, weight in model.named_parameters() if id(weight) in inside}


def ends_of_parts(products: dict[str, nn.Module]) -> list[str]:
    """The names of the last linear maps of each layer's attentions and feed-forward part, in the order of the names.

    Of an attention it is the one after its queries, keys and values.
    """
    names = list(products)
    gives = [bool(READS.search(name)) for name in names]
    after = [name for place, name in enumerate(names) if place and gives[place - 1] and not gives[place]]
    return [name for name in names if name in after or narrows(products[name])]


def train_only(model: PreTrainedModel, names: set[str]) -> PreTrainedModel:
    """The model with the weights of these names trainable, and no others."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in names)
    return model


def keep_still(module: nn.Module) -> None:
    """Let a part of a model neither train nor drop out, whatever mode the model is put into."""
    module.requires_grad_(False)
    module.eval()
    for part in module.modules():
        part.train = lambda mode=True, part=part: part  # type: ignore[method-assign,misc]


def trained_share(model: nn.Module) -> float:
    """The fraction of the model's weights that train."""
    weights = list(model.parameters())
    return sum(weight.numel() for weight in weights if weight.requires_grad) / sum(weight.numel() for weight in weights)
