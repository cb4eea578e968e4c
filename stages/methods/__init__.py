"""Which weights train. A method is a file of this folder that has:

class Params(Choice)              its options in params.yaml
and the functions of the protocol below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stages.shared import plugins
from stages.shared.errors import ParamsError
from stages.shared.examples import Example

if TYPE_CHECKING:  # every stage reads the method's Params, and most need no torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    Attributes:
        task: see `stages.tasks.Task`.
        base: the folder of the base model.
        tokenizer: the base's, with the marks of the task.
        examples: of the training split.
        load: gives the base with the task's head; a new head is drawn from torch's seed.
        seed: of every random choice.
    """

    task: Any
    base: Path
    tokenizer: PreTrainedTokenizerBase
    examples: Sequence[Example]
    load: Callable[[], PreTrainedModel]
    seed: int


class Method(Protocol):
    """What a file of this folder provides."""

    KEEPS_HEAD: bool
    """Whether the model has the head of the task, also one of the user's own."""

    def check(self, task: Any, params: Any) -> None:
        """Raise ParamsError when the method is not for the task, before anything runs."""
        ...

    def settings(self, start: Start, params: Any) -> dict[str, Any]:
        """What production must know of it beside the task's settings, such as a template."""
        ...

    def prepare(self, start: Start, params: Any) -> PreTrainedModel:
        """The model whose trainable parameters are those that the method trains; none where it trains none."""
        ...

    def finish(self, model: PreTrainedModel) -> PreTrainedModel:
        """The trained model in the layout of the base."""
        ...


def check_method(task: Any, params: Any) -> None:
    """Raise ParamsError when the chosen method, or balanced weights, are not for the task; `params` is params.yaml."""
    method = plugins.load("methods", params.train.method.name)
    method.check(task, params.train.method)
    if params.task.head is not None and not method.KEEPS_HEAD:
        raise ParamsError(
            f"task.head: '{params.task.head}': the method '{params.train.method.name}' brings a head of its own. "
            f"Set task.head to null, or choose another train.method, such as full."
        )
    if params.train.class_weights == "balanced" and task.class_weights([]) is None:
        raise ParamsError(
            f"train.class_weights: balanced: the task '{params.task.name}' has no classes to balance. Set it to none."
        )
