"""Contrastive pairs, then a head: for 8 to 64 examples a class.

The encoder learns to bring texts of one label together and to part those of different ones; epochs, learning rate and
the like of `train` are of that. A linear head on the embeddings is then solved for, at each validation.
Source: Tunstall et al. 2022, Efficient few-shot learning without prompts, arXiv:2209.11055
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.methods import Start, Trainable
from stages.methods._nearest import nearest_to_few_shot
from stages.shared.errors import ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = False
LEARNS = "pairs"


class Params(Choice):
    """How it learns.

    Attributes:
        pairs: with other texts of its label that each text is put into, in an epoch.
        penalty: on the squared weights of the head, as 1 / C of a logistic regression.
    """

    name: Literal["setfit"]
    pairs: int = Field(gt=0)
    penalty: float = Field(gt=0)


def check(task: Any, params: Params) -> None:
    """Raise ParamsError where the task is not one label on one text."""
    settings = task.settings()
    if settings["answers"] != "label" or task.medium != "text":
        raise ParamsError(
            f"train.method: setfit: it is for tasks of one label on a text, as classification with multi_label: "
            f"false; the task '{settings['task']}' is another. The nearest method that works is "
            f"{nearest_to_few_shot(task)}."
        )


def settings(start: Start, params: Params) -> dict[str, Any]:
    """None."""
    return {}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The encoder, whose head is solved for whenever it is measured.

    Raises:
        ParamsError: the base is no encoder. DataError: no label has two texts.
    """
    from stages.methods._contrastive import contrastive

    return contrastive(start, data, params)


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
