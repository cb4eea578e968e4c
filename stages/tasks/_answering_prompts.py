"""Prompts with their answers for a causal language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Value

from serving.reading import Reader
from stages.shared.examples import Example
from stages.tasks import Prediction
from stages.tasks._language_model import LanguageModel
from stages.tasks._prompts import framed
from stages.tasks._writing import Writing, encoded, written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from stages.shared.items import Item


@dataclass(frozen=True)
class Prompts(LanguageModel):
    """Answering prompts. The attributes are those of Params and of the contract."""

    name: str
    reading: dict[str, Any]
    writing: Writing
    template: str
    learn_prompts: bool
    texts: tuple[str, ...] = ("prompt", "answer")
    asked: tuple[str, ...] = ("prompt",)
    together: tuple[str, ...] = ("prompt",)
    target: str = "answer"

    @property
    def columns(self) -> dict[str, Any]:
        """Prompt and answer."""
        return {name: Value("string") for name in self.texts}

    @property
    def limits(self) -> tuple[int, ...]:
        """Of the prompt, which leaves room for the answer, and of the answer."""
        longest = self.writing.max_new_tokens
        return self.reading["max_tokens"] - longest, longest

    def shown(self, example: Example) -> list[tuple[str, ...]]:
        """The prompt within its template, and the answer, each by itself."""
        shown = example["prompt"] if self.template == "chat" else self.template.replace("{prompt}", example["prompt"])
        return [(shown,), (example["answer"],)]

    def base_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Also what stands before and after a prompt. Raises ParamsError where the base has no template for a chat."""
        return super().base_settings(tokenizer) | {"template": framed(self.template, tokenizer)}

    def items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """The prompt as it is asked, and the answer behind it with the token that ends it."""
        from stages.shared.items import IGNORED
        from stages.shared.packing import LanguageItem

        prompts = reader.read_all([(example["prompt"],) for example in examples])
        answers = encoded(reader, [row["answer"] for row in examples], self.writing.max_new_tokens, specials=False)
        items: list[Item] = []
        for position, (read, answer) in enumerate(zip(prompts, answers, strict=True)):
            asked = np.array(read.windows[0].ids, np.int64)
            before = asked if self.learn_prompts else np.full_like(asked, IGNORED)
            ids, expected = np.concatenate([asked, answer]), np.concatenate([before, answer])
            items.append(LanguageItem(position, (read.windows[0],), expected, ids))
        return items

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """The answer to the nearest training prompt, its tokens scored by word frequencies with back-off."""
        from stages.tasks._language_baseline import scored_by_counts
        from stages.tasks._writing_baseline import nearest_or_first

        found, how = nearest_or_first(splits, "prompt", "answer", lambda rows, said: _nearness(rows, said, self.target))
        return scored_by_counts(splits, found), f"{how}; words by a 3-gram model with back-off"


def _nearness(examples: Sequence[Example], predicted: Sequence[Prediction], target: str) -> float:
    from stages.tasks._text_scores import nearness

    return float(
        np.mean([nearness(*pair) for pair in zip(written(predicted), (e[target] for e in examples), strict=True)])
    )
