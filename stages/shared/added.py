"""What is added to a model and cannot be merged into it: bottlenecks in its layers, vectors before its text.

It is saved with the model: the weights beside the model's own, and in added.json what they are.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from stages.shared.errors import MachineError, ParamsError
from stages.shared.layers import ends_of_parts, products_of
from stages.shared.model_files import load_weights, read_settings
from stages.shared.publish import write_json

DESCRIPTION, WEIGHTS = "added.json", "added.safetensors"
NAME = "bottleneck"
PROMPTS = ("prefix", "prompt")


class Bottleneck(nn.Module):
    """A step aside and back: hidden + up(gelu(down(hidden))); at first it changes next to nothing.

    Source: Houlsby et al. 2019, arXiv:1902.00751
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, size), nn.Linear(size, width)
        for layer in (self.down, self.up):
            nn.init.trunc_normal_(layer.weight, std=1e-2, a=-2e-2, b=2e-2)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The same shape as hidden, (..., width)."""
        back: torch.Tensor = self.up(nn.functional.gelu(self.down(hidden)))
        return hidden + back


def _step_aside(product: nn.Module, _given: Any, made: torch.Tensor) -> torch.Tensor:
    aside: torch.Tensor = product.get_submodule(NAME)(made)
    return aside


def add_bottlenecks(model: PreTrainedModel, size: int) -> None:
    """Put a bottleneck of this size after the last linear map of each attention and feed-forward part."""
    products = products_of(model)
    for name in ends_of_parts(products):
        product = products[name]
        width = product.nf if hasattr(product, "nf") else product.out_features
        product.add_module(NAME, Bottleneck(int(width), size))  # type: ignore[arg-type]
        product.register_forward_hook(_step_aside)


def added_names(model: nn.Module) -> set[str]:
    """The names of the weights that were added."""
    return {name for name, _ in model.named_parameters() if f".{NAME}." in name or "prompt_encoder" in name}


def _place_of_body(model: PreTrainedModel) -> tuple[PreTrainedModel, str]:
    """Which module holds the body, and under which name."""
    body = getattr(model, "body", None)
    return (model, "body") if body is not None else (model, model.base_model_prefix)


def _own_tokens(tokens: int) -> Any:
    """A hook that takes the learnt tokens off what a body gives, so that a head sees the text's own alone."""

    def hook(body: nn.Module, _given: Any, made: Any) -> Any:
        made["last_hidden_state"] = made[0][:, tokens:]
        pooler = getattr(body.get_base_model(), "pooler", None)  # type: ignore[operator]
        if pooler is not None:
            made["pooler_output"] = pooler(made["last_hidden_state"])
        return made

    return hook


def add_vectors(model: PreTrainedModel, kind: str, tokens: int) -> None:
    """Put peft's learnt vectors before every text that the body reads; the head stays what it is.

    Args:
        model: the base with the head of the task.
        kind: "prefix", keys and values of every layer; or "prompt", words before the text.
        tokens: how many of them.

    Raises:
        ParamsError: the architecture has no place for them.
    """
    import peft

    holder, name = _place_of_body(model)
    body: Any = getattr(holder, name)
    config = body.config.get_text_config()
    takes = inspect.signature(type(body).forward).parameters
    if ("past_key_values" if kind == "prefix" else "inputs_embeds") not in takes:
        other = "prompt, for words before the text, or lora" if "inputs_embeds" in takes else "lora"
        raise ParamsError(
            f"train.method: {kind}: a {config.model_type} has no place for learnt vectors before the text. "
            f"The nearest method that works is {other}."
        )
    made = peft.PrefixTuningConfig if kind == "prefix" else peft.PromptTuningConfig
    chosen = made(
        task_type="FEATURE_EXTRACTION",
        num_virtual_tokens=tokens,
        token_dim=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
    )
    warnings.filterwarnings("ignore", message="Token type ids are not supported")  # one text has one type
    wrapped = peft.get_peft_model(body, chosen)
    if kind == "prompt":
        wrapped.register_forward_hook(_own_tokens(tokens))
    setattr(holder, name, wrapped)


def _vectors_of(model: PreTrainedModel) -> Any:
    """The body with learnt vectors before it, or None."""
    body = getattr(*_place_of_body(model), None)
    return body if getattr(body, "peft_config", None) else None


def description_of(model: PreTrainedModel) -> dict[str, Any]:
    """What was added to a model, {} where nothing was."""
    wrapped = _vectors_of(model)
    if wrapped is not None:
        chosen = wrapped.peft_config["default"]
        kind = PROMPTS[chosen.peft_type.value != "PREFIX_TUNING"]
        return {"kind": kind, "tokens": chosen.num_virtual_tokens}
    sizes = {module.down.out_features for module in model.modules() if isinstance(module, Bottleneck)}
    return {"kind": NAME, "size": min(sizes)} if sizes else {}


@contextmanager
def plain_body(model: PreTrainedModel) -> Iterator[None]:
    """Without the learnt vectors before its body, where there are any; afterwards with them again."""
    wrapped = _vectors_of(model)
    if wrapped is None:
        yield
        return
    holder, name = _place_of_body(model)
    setattr(holder, name, wrapped.get_base_model())
    try:
        yield
    finally:
        setattr(holder, name, wrapped)


def save_added(model: PreTrainedModel, folder: Path) -> None:
    """Write what was added beside the model, if anything."""
    description, names = description_of(model), added_names(model)
    if description:
        weights = {name: weight for name, weight in model.state_dict().items() if name in names}
        save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / WEIGHTS)
        write_json(folder / DESCRIPTION, description)


def load_added(model: PreTrainedModel, folder: Path) -> None:
    """Add to the model what was saved beside it, if anything.

    Raises:
        MachineError: it is of a kind unknown to this release.
    """
    if not (folder / DESCRIPTION).is_file():
        return
    description = read_settings(folder / DESCRIPTION)
    match description["kind"]:
        case "bottleneck":
            add_bottlenecks(model, description["size"])
        case "prefix" | "prompt":
            add_vectors(model, description["kind"], description["tokens"])
        case other:
            raise MachineError(f"{folder / DESCRIPTION}: kind '{other}' is unknown to this release.")
    wrong = model.load_state_dict(load_weights(folder / WEIGHTS), strict=False).unexpected_keys
    if wrong:
        raise MachineError(f"{folder / WEIGHTS}: '{wrong[0]}' has no place in the model of this release.")
