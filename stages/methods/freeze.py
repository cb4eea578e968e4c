"""The embeddings and the lower layers stay as they are; what they make of a text is computed once and kept on disk.

Source: Howard and Ruder 2018, ULMFiT, arXiv:1801.06146 (lower layers are general); Lee et al. 2019, What would Elsa do?
Freezing layers during transformer fine-tuning, arXiv:1911.03090
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
    """What stays as it is.

    Attributes:
        layers: the lowest ones, of an encoder-decoder those of its encoder; 0: the embeddings alone.
        keep: whether what they make of a text is kept on disk from the first epoch on, while the training lasts.
    """

    name: Literal["freeze"]
    layers: int = Field(ge=0)
    keep: bool


def check(task: Any, params: Params) -> None:
    """It is for every task."""


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The model with its upper layers and its head trainable. Raises ParamsError where it has too few layers."""
    from stages.methods._frozen import freeze_lower

    return freeze_lower(start.load(), params)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
