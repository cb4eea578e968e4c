"""A learnt factor for each key, value and feed-forward activation; merged into the weights at the end.

Source: Liu et al. 2022, IA3, arXiv:2205.05638
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from stages.methods import Start, Trainable
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "task"


class Params(Choice):
    """No options."""

    name: Literal["ia3"]


def check(task: Any, params: Params) -> None:
    """It is for every task. Raises MachineError when peft is not installed."""
    from stages.methods._peft import require_peft

    require_peft(params.name)


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with the factors in it; they train, and the head. A ConvNeXt has those of its feed-forward alone."""
    from stages.methods._peft import with_layers
    from stages.shared.layers import keys_and_values, narrows, products_of

    model = start.load()
    products = products_of(model)
    forward = [name for name, product in products.items() if narrows(product)]
    names = [*keys_and_values(products), *forward]

    def config(peft: Any) -> Any:
        return peft.IA3Config(target_modules=names, feedforward_modules=forward)

    return Trainable(with_layers(model, config))


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The base's own layers, with the factors merged into them."""
    from stages.methods._peft import merged

    return merged(model)
