"""What a model learns from text without labels. An objective is a file of this folder that has:

class Params(Choice)              its options in params.yaml
and what the protocol below names.

Every stage reads the chosen file for its Params: what is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from stages.shared.fitting import History


@dataclass(frozen=True)
class Start:
    """What learning begins with.

    Attributes:
        base: the folder of the base model, as it was found or made.
        tokenizer: the base's.
        documents: gives the text, a clean document at a time, each time that it is called.
        scratch: an empty folder for what does not fit into memory.
        seed: of every random choice.
    """

    base: Path
    tokenizer: PreTrainedTokenizerBase
    documents: Callable[[], Iterable[str]]
    scratch: Path
    seed: int


@dataclass(frozen=True)
class Learnt:
    """What came of it: the model with its best weights, the curves, figures by name, and a line for the user."""

    model: PreTrainedModel
    history: History
    metrics: dict[str, float]
    summary: str


class Objective(Protocol):
    """What a file of this folder provides."""

    LEARNS: bool
    """Whether anything is learnt; else the base stays as it is, and no other function is called."""

    def check(self, config: PretrainedConfig, params: Any) -> None:
        """Raise ParamsError when the objective is not for models of this configuration, before anything runs."""
        ...

    def learn(self, start: Start, params: Any) -> Learnt:
        """Learn from the text.

        Raises:
            TrainingFailed: the loss is no number any more. DataError: there is too little text.
        """
        ...
