"""Which weights train. A method is a file of this folder that has:

class Params(Choice)              its options in params.yaml
and the functions of the protocol below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from stages.shared.examples import Example

if TYPE_CHECKING:  # every stage reads the method's Params, and most need no torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from stages.shared.fitting import Data, Hooks, Plan


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


@dataclass(frozen=True)
class Trainable:
    """A model whose trainable parameters are those that a method trains, and what the loop does for the method.

    Attributes:
        model: none of its parameters is trainable where the method trains none, or has trained them already.
        hooks: what the method does in the loop; None is nothing.
        around: what must be open while the model is trained and measured.
        data: what is learnt in the place of the task's own data; None is those.
    """

    model: PreTrainedModel
    hooks: Hooks | None = None
    around: AbstractContextManager[Any] = field(default_factory=nullcontext)
    data: Data | None = None


class Method(Protocol):
    """What a file of this folder provides."""

    KEEPS_HEAD: bool
    """Whether the model has the head of the task, also one of the user's own."""

    LEARNS: Literal["task", "pairs", "nothing"]
    """What the loop learns for it: by the loss of the task, so that regularizers change it; by one of its own; or
    nothing, as where the weights are solved for."""

    def check(self, task: Any, params: Any) -> None:
        """Raise ParamsError when the method is not for the task, before anything runs, with the nearest that is."""
        ...

    def settings(self, start: Start, params: Any) -> dict[str, Any]:
        """What production must know of it beside the task's settings, such as a template."""
        ...

    def prepare(self, start: Start, data: Data, plan: Plan, params: Any) -> Trainable:
        """The model to train on the data as planned.

        Raises:
            ParamsError: the base is not for the method.
        """
        ...

    def finish(self, model: PreTrainedModel) -> PreTrainedModel:
        """The trained model as `stages.shared.models` saves and loads it: in the layout of the base, if it can be."""
        ...
