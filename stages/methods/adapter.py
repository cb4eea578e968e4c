"""A small bottleneck after the attention and after the feed-forward part of each layer.

They stay in the model, for what is not linear cannot be merged, and are exported with it.
Source: Houlsby et al. 2019, Parameter-efficient transfer learning for NLP, arXiv:1902.00751
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.methods import Start, Trainable
from stages.shared.errors import ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = True
LEARNS = "task"


class Params(Choice):
    """Its size.

    Attributes:
        size: of the bottleneck.
    """

    name: Literal["adapter"]
    size: int = Field(gt=0)


def check(task: Any, params: Params) -> None:
    """Raise ParamsError for a task that writes: what decodes without torch has no place for a bottleneck."""
    if "writes" in task.settings():
        raise ParamsError(
            f"train.method: adapter: what decodes the texts of the task '{task.settings()['task']}' without torch has "
            f"no place for more layers. The nearest method that works is lora, which is merged into the weights."
        )


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with the bottlenecks in it; they train, and the head and the layers' norms."""
    from stages.shared.added import add_bottlenecks, added_names
    from stages.shared.layers import head_names, norm_names, train_only

    model = start.load()
    head = head_names(model)
    add_bottlenecks(model, params.size)
    return Trainable(train_only(model, added_names(model) | head | norm_names(model)))


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
