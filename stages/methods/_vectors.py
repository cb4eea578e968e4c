"""What the methods share that learn vectors before the text."""

from __future__ import annotations

from typing import Any

from stages.methods import Start, Trainable
from stages.methods._peft import require_peft
from stages.shared.errors import ParamsError


def check_vectors(task: Any, kind: str) -> None:
    """Raise ParamsError where nothing stands before a text, or what is asked could not be told apart or decoded.

    Raises MachineError when peft is not installed.
    """
    name = task.settings()["task"]
    require_peft(kind)
    if task.medium == "picture":
        raise ParamsError(
            f"train.method: {kind}: the task '{name}' reads pictures, before which no vectors stand. "
            f"The nearest method that works is adapter."
        )
    if len(task.settings()["inputs"]) > 1:
        raise ParamsError(
            f"train.method: {kind}: behind learnt vectors a model cannot tell the two texts of the task '{name}' "
            f"apart. The nearest method that works is adapter."
        )
    if "writes" in task.settings():
        raise ParamsError(
            f"train.method: {kind}: what decodes the texts of the task '{name}' without torch has no place for "
            f"vectors before them. The nearest method that works is lora, which is merged into the weights."
        )


def with_vectors(start: Start, kind: str, tokens: int) -> Trainable:
    """The model behind the vectors; they and the head train.

    Raises:
        ParamsError: its architecture has no place for them; or they and the text have more tokens than it reads.
    """
    from stages.shared.added import add_vectors, added_names
    from stages.shared.base_model import longest_text
    from stages.shared.layers import head_names, train_only

    model, most = start.load(), max(start.task.limits)
    longest = longest_text(model.config.to_dict())
    if longest is not None and most + tokens > longest:
        raise ParamsError(
            f"train.method.tokens: {tokens}: with task.max_tokens {most} they are more than the {longest} tokens that "
            f"the base reads. Lower one of them."
        )
    add_vectors(model, kind, tokens)
    return Trainable(train_only(model, added_names(model) | head_names(model)))
