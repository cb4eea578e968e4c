"""Find hidden tokens from those on both sides, as BERT learnt; with pairs of stretches, whether they follow each other.

Source: Devlin et al. 2019, BERT, arXiv:1810.04805
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from stages.objectives import Learnt, Start
from stages.objectives._params import LearningParams, check_length
from stages.shared.errors import ParamsError
from stages.shared.sections import Fraction

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LEARNS = True


class Params(LearningParams):
    """How much is hidden, and of what.

    Attributes:
        masked_share: fraction of the tokens of a row that are to be found.
        whole_words: all tokens of a word are hidden together.
        next_sentence: half of the rows are two stretches that do not follow each other, which is to be told.
    """

    name: Literal["masked_lm"]
    masked_share: Fraction = Field(gt=0, lt=1)
    whole_words: bool
    next_sentence: bool


def check(config: PretrainedConfig, params: Params) -> None:
    """Raise ParamsError when the architecture is no encoder of text, has no head for pairs, or is too short."""
    from transformers import AutoModelForMaskedLM, AutoModelForNextSentencePrediction

    is_encoder = type(config) in AutoModelForMaskedLM._model_mapping and not config.is_encoder_decoder
    if not is_encoder or getattr(config, "is_decoder", False):
        raise ParamsError(
            f"pretrain.objective: masked_lm: a {config.model_type} does not read a text from both sides. Choose "
            f"another base, such as a BERT, or the objective causal_lm."
        )
    if params.next_sentence and type(config) not in AutoModelForNextSentencePrediction._model_mapping:
        raise ParamsError(
            f"pretrain.objective.next_sentence: a {config.model_type} has no head for pairs. Set it to false, or "
            f"choose another base, such as a BERT."
        )
    check_length(config, params.max_tokens)


def learn(start: Start, params: Params) -> Learnt:
    """Learn to find hidden tokens; see the contract."""
    from stages.objectives._hiding import learn_hidden

    return learn_hidden(start, params)
