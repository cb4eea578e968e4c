"""What tasks share whose model writes a text: how it writes, and what is compared with what was expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from serving.reading import Reader
from stages.shared.errors import ParamsError
from stages.shared.examples import Example
from stages.shared.sections import Section
from stages.tasks import Prediction
from stages.tasks._params import TextParams
from stages.tasks._plain import WithoutClasses

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff]|[^\W_]+")  # one such character, or a word


class Writing(Section):
    """How a text is written.

    Attributes:
        max_new_tokens: the longest text that is learnt or written, in tokens.
        beams: how many beginnings are kept in mind; 1 writes greedily.
        length_penalty: the power of the length that a beam's log probability is divided by; above 0 favours long ones.
        no_repeat_ngram: tokens in a row that are not written twice; 0: any may be.
    """

    max_new_tokens: int = Field(ge=1)
    beams: int = Field(ge=1, le=64)
    length_penalty: float = Field(ge=-4, le=4)
    no_repeat_ngram: int = Field(ge=0)


class WritingParams(TextParams):
    """The options of a task whose model writes."""

    writing: Writing

    @model_validator(mode="after")
    def _has_no_head(self) -> Self:
        if self.head is not None:
            raise ValueError(f"head: '{self.head}' is not used: a model that writes has its own; set it to null")
        return self


def token_of(tokenizer: PreTrainedTokenizerBase, name: Literal["eos", "pad"]) -> int | None:
    """The id of a special token, if the tokenizer has it."""
    number = getattr(tokenizer, f"{name}_token_id")
    return None if number is None else int(number)


def ends_of(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The token that ends a text.

    Raises:
        ParamsError: there is none, so that nothing that is written would ever end.
    """
    end = token_of(tokenizer, "eos")
    if end is None:
        raise ParamsError(
            "pretrain.base: its tokenizer names no token that ends a text (eos_token), so that nothing would ever end. "
            "Name one in its tokenizer_config.json, or choose another base."
        )
    return [end]


def never_of(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that are no part of any text: padding, where nothing else is meant by it."""
    padding = token_of(tokenizer, "pad")
    return [] if padding is None or padding == token_of(tokenizer, "eos") else [padding]


def encoded(reader: Reader, texts: Sequence[str], longest: int, specials: bool) -> list[np.ndarray]:
    """The tokens of each text and the one that ends it, int64, cut to `longest` in all.

    Args:
        reader: whose tokenizer is asked, and whose settings say what ends a text.
        texts: to be written.
        longest: tokens.
        specials: whether the tokenizer's own special tokens are part of a text, as BART's first one is.
    """
    end = reader.settings["writes"]["ends"][0]
    found = reader.tokenizer.encode_batch(list(texts), add_special_tokens=specials)
    rows = (encoding.ids[:-1] if encoding.ids[-1:] == [end] else encoding.ids for encoding in found)
    return [np.array([*ids[: longest - 1], end], np.int64) for ids in rows]


class WrittenTexts(WithoutClasses):
    """The parts of a task that answers with a text: no classes, and the asked text alone may be paraphrased."""

    asked: tuple[str, ...]
    target: str

    @property
    def paraphrased(self) -> tuple[str, ...]:
        """What is asked: what is to be written stays as it is."""
        return self.asked

    def answer(self, example: Example) -> str:
        """The text that is expected."""
        return str(example[self.target])

    def fixed_spans(self, example: Example) -> tuple[list[tuple[int, int]], ...]:
        """Nothing of what is asked, all of what is expected."""
        return tuple([] if name in self.asked else [(0, len(example[name]))] for name in self.texts)


def words_of(text: str) -> list[str]:
    """Its words in small letters; of Chinese and Japanese, which put no spaces between words, the characters."""
    return _WORD.findall(text.lower())


def first_words(text: str, characters: int) -> str:
    """The beginning of a text, whole words of about so many characters."""
    if len(text) <= characters:
        return text
    cut = text.rfind(" ", 0, characters + 1)
    return text[: cut if cut > 0 else characters]


def written(predicted: Sequence[Prediction]) -> list[str]:
    """The texts that were written."""
    return [prediction["said"]["written"] for prediction in predicted]


def as_prediction(text: str) -> Prediction:
    """A text as an answer of a baseline."""
    return {"answer": text, "confidence": None, "said": {"written": text, "complete": True}, "scores": []}
