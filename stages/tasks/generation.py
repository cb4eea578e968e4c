"""A text that continues what it is given, by a causal language model: answers to prompts, or plain text.

`rows: prompts` learns from pairs of prompt and answer, from the answer alone or from both. `rows: texts` learns from
whole texts, several of them packed into one row, none seeing the other, and continues the beginning of a text.

Source: Radford et al. 2019, Language models are unsupervised multitask learners (GPT-2); Li et al. 2016,
arXiv:1510.03055 (distinct-n); Krell et al. 2021, arXiv:2107.02027 (packing without attention across texts)
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.tasks import Task
from stages.tasks._prompts import is_template
from stages.tasks._writing import WritingParams


class Params(WritingParams):
    """What a row is, and how it is shown.

    Attributes:
        rows: prompts: columns `prompt` and `answer`; texts: column `text`.
        template: of prompts: what stands around one, as "Question: {prompt} Answer:"; or `chat`, the base's own.
        learn_prompts: of prompts: whether the loss is over the prompt too, and not over the answer alone.
        pack: of texts: whether several short ones share a row in training.
        shown_characters: of texts: about how many characters of one are given, whole words, to be continued.
    """

    name: Literal["generation"]
    rows: Literal["prompts", "texts"]
    template: str
    learn_prompts: bool
    pack: bool
    shown_characters: int = Field(ge=1)

    @model_validator(mode="after")
    def _fits_its_rows(self) -> Self:
        if self.rows == "prompts" and not is_template(self.template):
            raise ValueError(f"template: '{self.template}': give {{prompt}} its place, once, or write chat")
        if self.rows == "prompts" and self.long_texts == "windows":
            raise ValueError("long_texts: 'windows' would give a prompt several answers; take head or head_tail")
        if self.rows == "texts" and self.long_texts != "windows":
            raise ValueError(
                f"long_texts: '{self.long_texts}': longer texts are learnt from in pieces; set it to windows"
            )
        if self.max_tokens <= self.writing.max_new_tokens:
            raise ValueError(
                f"max_tokens: {self.max_tokens}: holds prompt and answer, and writing.max_new_tokens is "
                f"{self.writing.max_new_tokens}; raise the one or lower the other"
            )
        return self


def open_task(params: Params) -> Task:
    """The task of answering prompts, or of continuing texts."""
    if params.rows == "texts":
        from stages.tasks._continuing import Continuing

        return Continuing(params.name, params.reading(), params.writing, params.pack, params.shown_characters)
    from stages.tasks._answering_prompts import Prompts

    return Prompts(params.name, params.reading(), params.writing, params.template, params.learn_prompts)
