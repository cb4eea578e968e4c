"""Tell each token from those before it, as GPT learnt; documents are packed into rows, and read apart.

Source: Radford et al. 2018, Improving language understanding by generative pre-training
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stages.objectives import Learnt, Start
from stages.objectives._params import LearningParams, check_length
from stages.shared.errors import ParamsError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LEARNS = True


class Params(LearningParams):
    """How text is learnt from."""

    name: Literal["causal_lm"]


def check(config: PretrainedConfig, params: Params) -> None:
    """Raise ParamsError when the architecture is no decoder of text, or too short."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    is_decoder = type(config) in AutoModelForCausalLM._model_mapping and not config.is_encoder_decoder
    if not is_decoder or (type(config) in AutoModelForMaskedLM._model_mapping and not config.is_decoder):
        raise ParamsError(
            f"pretrain.objective: causal_lm: a {config.model_type} does not read a text from its beginning to its end. "
            f"Choose another base, such as a GPT-2 or a Llama, or the objective masked_lm."
        )
    check_length(config, params.max_tokens)


def learn(start: Start, params: Params) -> Learnt:
    """Learn to tell the next token; see the contract."""
    from stages.objectives._continuing import learn_next

    return learn_next(start, params)
