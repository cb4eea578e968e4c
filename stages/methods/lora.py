"""Low-rank adaptation of all the layers' linear maps; merged into them at the end.

Source: Hu et al. 2021, LoRA, arXiv:2106.09685; of all linear maps: Dettmers et al. 2023, arXiv:2305.14314
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.methods import Start, Trainable
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "task"


class Params(Choice):
    """Its size.

    Attributes:
        rank: of the product of two matrices that is added to each linear map.
        alpha: that product is multiplied by alpha / rank.
        dropout: fraction of what goes into it that is dropped while training.
    """

    name: Literal["lora"]
    rank: int = Field(gt=0)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)


def check(task: Any, params: Params) -> None:
    """It is for every task. Raises MachineError when peft is not installed."""
    from stages.methods._peft import require_peft

    require_peft(params.name)


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with the matrices in it; they train, and the head."""
    from stages.methods._peft import with_layers
    from stages.shared.layers import products_of

    model = start.load()
    names = list(products_of(model))

    def config(peft: Any) -> Any:
        return peft.LoraConfig(
            r=params.rank, lora_alpha=params.alpha, lora_dropout=params.dropout, target_modules=names
        )

    return Trainable(with_layers(model, config))


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The base's own layers, with the matrices merged into them."""
    from stages.methods._peft import merged

    return merged(model)
