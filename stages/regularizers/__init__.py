"""What is done against overfitting and small changes of a text. A regularizer is a file of this folder that has:

class Params(Choice)              its options in params.yaml
and the functions of the protocol below. Several are used together as a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stages.shared import plugins

if TYPE_CHECKING:  # every stage reads the Params, and most need no torch
    from stages.shared.fitting import Learner


class Regularizer(Protocol):
    """What a file of this folder provides."""

    def check(self, task: Any, train: Any) -> None:
        """Raise ParamsError when it is not for the task, or not for what else the section `train` chooses."""
        ...

    def regularize(self, learner: Learner, params: Any) -> None:
        """Put its own function in the place of one of the learner's."""
        ...


def regularize(learner: Learner, chosen: list[Any]) -> None:
    """Let all the chosen ones change the learner, in the order in which they are listed."""
    for params in chosen:
        plugins.load("regularizers", params.name).regularize(learner, params)
