"""The options that every objective has that learns from text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from stages.shared.errors import ParamsError
from stages.shared.fitting_params import Fitting
from stages.shared.sections import Choice, Fraction

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class LearningParams(Fitting, Choice):
    """How text is learnt from.

    Attributes:
        max_tokens: of a row, special ones included.
        held_out_share: fraction of the documents that are measured on and never learnt from.
    """

    max_tokens: int = Field(ge=8)
    held_out_share: Fraction = Field(gt=0, lt=1)


def check_length(config: PretrainedConfig, max_tokens: int) -> None:
    """Raise ParamsError when rows may have more tokens than the model has positions for."""
    from stages.shared.base_model import longest_text

    longest = longest_text(config.to_dict())
    if longest is not None and max_tokens > longest:
        raise ParamsError(f"pretrain.objective.max_tokens: {max_tokens}: the model reads at most {longest}. Lower it.")
