"""Nothing is learnt from text without labels: the base stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stages.objectives import Learnt, Start
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LEARNS = False


class Params(Choice):
    """No options."""

    name: Literal["none"]


def check(config: PretrainedConfig, params: Params) -> None:
    """It is for every model."""


def learn(start: Start, params: Params) -> Learnt:
    """Never called."""
    raise NotImplementedError
