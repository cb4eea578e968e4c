"""The optimiser: which weights in which groups, and the kinds that there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from stages.shared.fitting_params import Fitting
from stages.shared.layers import head_names, stacks_of

MOMENTUM = 0.9


def depths(model: PreTrainedModel) -> dict[str, int]:
    """How far each weight lies below the head: 0 for the head, 1 for the top layer; the embeddings lie lowest."""
    stacks = stacks_of(model)
    inside = {
        id(weight): len(stack) - place
        for stack in stacks
        for place, layer in enumerate(stack)
        for weight in layer.parameters()
    }
    head, lowest = head_names(model), max((len(stack) for stack in stacks), default=0) + 1
    tables = re.compile("embed|shared|wte|wpe")

    def depth(name: str, weight: torch.Tensor) -> int:
        if id(weight) in inside:
            return inside[id(weight)]
        return lowest if name not in head and tables.search(name) else 0

    return {name: depth(name, weight) for name, weight in model.named_parameters()}


def groups_of(model: PreTrainedModel, params: Fitting) -> list[dict[str, Any]]:
    """The trainable weights in groups: vectors, which are biases and norms, without decay; lower layers slower.

    `scale` is what the learning rate is multiplied by: layer_decay to the power of the depth.
    Source: Howard and Ruder 2018, ULMFiT, arXiv:1801.06146 (a rate of its own for each layer)
    """
    far = depths(model) if params.layer_decay < 1 else {}
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = defaultdict(list)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            groups[params.layer_decay ** far.get(name, 0), weight.ndim > 1].append(weight)
    return [
        {"params": weights, "weight_decay": params.weight_decay if decays else 0.0, "scale": scale}
        for (scale, decays), weights in groups.items()
    ]


class Both(torch.optim.Optimizer):
    """Two optimisers that step together, with the groups of both."""

    def __init__(self, one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> None:
        self.parts = (one, other)
        super().__init__([*one.param_groups, *other.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        """Have the very groups of the parts, so that a rate that is set reaches them."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the states of both."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


def _muon(groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    """Muon for matrices, with updates of the size of AdamW's, and AdamW for vectors."""
    matrices = [group for group in groups if group["params"][0].ndim > 1]
    square = [group | {"params": [w for w in group["params"] if w.ndim == 2]} for group in matrices]
    others = [group for group in groups if group["params"][0].ndim <= 1]
    others += [group | {"params": [w for w in group["params"] if w.ndim > 2]} for group in matrices]
    square, others = ([group for group in some if group["params"]] for some in (square, others))
    if not square:
        return torch.optim.AdamW(others, lr=rate, fused=True)
    muon = torch.optim.Muon(square, lr=rate, adjust_lr_fn="match_rms_adamw")
    return Both(muon, torch.optim.AdamW(others, lr=rate, fused=True)) if others else muon


KINDS: dict[str, Callable[[list[dict[str, Any]], float], torch.optim.Optimizer]] = {
    "adamw": lambda groups, rate: torch.optim.AdamW(groups, lr=rate, fused=True),
    "adafactor": lambda groups, rate: torch.optim.Adafactor(groups, lr=rate),
    "sgd": lambda groups, rate: torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True),
    "muon": _muon,
}


def make_optimizer(model: PreTrainedModel, params: Fitting) -> torch.optim.Optimizer:
    """The chosen optimiser over the trainable weights.

    Source: AdamW: Loshchilov and Hutter 2019, arXiv:1711.05101; Adafactor: Shazeer and Stern 2018, arXiv:1804.04235;
    Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon, with the scale of Liu et al. 2025,
    arXiv:2502.16982
    """
    return KINDS[params.optimizer](groups_of(model, params), 1e-3)  # each update sets its own rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` for the next update, in each group times its scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def add_noise(model: PreTrainedModel, size: float, update: int) -> None:
    """Add Gaussian noise of variance size / (1 + update)^0.55 to the gradients.

    Source: Neelakantan et al. 2015, Adding gradient noise improves learning for very deep networks, arXiv:1511.06807
    """
    deviation = (size / (1 + update) ** 0.55) ** 0.5
    for weight in model.parameters():
        if weight.grad is not None:
            weight.grad.add_(torch.randn_like(weight.grad), alpha=deviation)
