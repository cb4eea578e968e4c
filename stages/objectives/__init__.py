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

from stages.shared.errors import TrainingFailed

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
    """What came of it.

    Attributes:
        model: with the weights of the best validation; None where none came.
        history: the curves, which hold the metric `primary`.
        primary: of the validations; higher is better.
        metrics: figures by name.
        summary: for the user, in half a line.
        failure: why learning stopped before its end, if it did; what is good until then is kept.
    """

    model: PreTrainedModel | None
    history: History
    primary: str
    metrics: dict[str, float]
    summary: str
    failure: TrainingFailed | None


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
            DataError: there is too little text. ParamsError: the base is not for it, or holds no tokenizer that is.
        """
        ...
