"""Low-rank adaptation whose ranks go to the maps that need them, within a budget; merged at the end.

Source: Zhang et al. 2023, AdaLoRA, arXiv:2303.10512
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from stages.methods import Start, Trainable
from stages.shared.sections import Choice

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "task"
FIRST_SHARE, LAST_SHARE = 0.1, 0.3  # of the updates: before ranks are taken away, and after the last is
AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # as peft names them
EVERY = 10  # updates between two rounds in which ranks are taken away


class Params(Choice):
    """Its size.

    Attributes:
        rank: of each map at first.
        target_rank: on average at the end.
        alpha: what is added is multiplied by alpha / rank.
        dropout: fraction of what goes into it that is dropped while training.
        orthogonality: weight of the penalty that keeps singular vectors at right angles.
    """

    name: Literal["adalora"]
    rank: int = Field(gt=0)
    target_rank: int = Field(gt=0)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    orthogonality: float = Field(ge=0)

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.target_rank > self.rank:
            raise ValueError(f"target_rank: {self.target_rank} must not be more than rank {self.rank}")
        return self


def check(task: Any, params: Params) -> None:
    """It is for every task. Raises MachineError when peft is not installed."""
    from stages.methods._peft import require_peft

    require_peft(params.name)


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def _penalty(wrapped: Any, weight: float) -> torch.Tensor:
    """How far the singular vectors are from right angles: the mean over their matrices of |P'P - I|."""
    import torch

    found = []
    for name, matrix in wrapped.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            product = matrix @ matrix.T if "lora_A" in name else matrix.T @ matrix
            found.append(torch.linalg.norm(product - torch.eye(len(product), device=product.device)))
    return weight * torch.stack(found).mean()


class _Ranks:
    """What decides on the ranks: how sensitive each entry was so far, and which ranks are left."""

    def __init__(self, wrapped: Any) -> None:
        self._allocator = wrapped.base_model.rankallocator
        self._config = wrapped.peft_config[wrapped.base_model.trainable_adapter_name]

    def state_dict(self) -> dict[str, Any]:
        """The averages, and the ranks as lists of whether each is left."""
        averages = {name: dict(getattr(self._allocator, name)) for name in AVERAGES}
        return averages | {"ranks": self._config.rank_pattern}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        for name in AVERAGES:
            setattr(self._allocator, name, state[name])
        self._config.rank_pattern = state["ranks"]


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with the matrices in it; they train, and the head."""
    from stages.methods._peft import with_layers
    from stages.shared.fitting import Hooks, updates_of
    from stages.shared.layers import products_of

    model, updates = start.load(), updates_of(data, plan)
    names = list(products_of(model))

    def config(peft: Any) -> Any:
        return peft.AdaLoraConfig(
            init_r=params.rank,
            target_r=params.target_rank,
            lora_alpha=params.alpha,
            lora_dropout=params.dropout,
            target_modules=names,
            tinit=int(FIRST_SHARE * updates),
            tfinal=max(1, int(LAST_SHARE * updates)),
            deltaT=EVERY,
            total_step=max(updates, 3),
        )

    wrapped = with_layers(model, config)
    after = wrapped.base_model.update_and_allocate
    hooks = Hooks(penalty=lambda: _penalty(wrapped, params.orthogonality), after_update=after, state=_Ranks(wrapped))
    return Trainable(wrapped, hooks)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The base's own layers, with the matrices merged into them."""
    from stages.methods._peft import merged

    return merged(model)
