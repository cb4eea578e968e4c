"""A text that continues what it is given, by a causal language model: answers to prompts, or plain text.

`rows: prompts` learns from pairs of prompt and answer, from the answer alone or from both. `rows: texts` learns from
whole texts, several of them packed into one row, none seeing the other, and continues the beginning of a text.

Source: Radford et al. 2019, Language models are unsupervised multitask learners (GPT-2); Li et al. 2016,
arXiv:1510.03055 (distinct-n); Krell et al. 2021, arXiv:2107.02027 (packing without attention across texts)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from datasets import Value
from pydantic import Field, model_validator

from serving.reading import Reader
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Prediction, Task
from stages.tasks._prompts import framed, is_template
from stages.tasks._writing import Writing, WritingParams, WrittenTexts, encoded, ends_of, never_of, written

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from stages.shared.items import Item, Output


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
    return Prompts(params.name, params.reading(), params.writing, params.template, params.learn_prompts)


class LanguageModel(WrittenTexts):
    """The parts of a task that is learnt and measured token by token."""

    reading: dict[str, Any]
    writing: Writing
    head: Literal["causal_lm"] = "causal_lm"
    primary: str = "token_accuracy"

    def batch(self, items: Sequence[Item], padding: int) -> Batch:
        """The whole rows, padded at their end; of packed ones the texts apart."""
        from stages.shared.packing import language_batch

        return language_batch(items, padding)  # type: ignore[arg-type]  # they are LanguageItems, made below

    def kept(self, output: Output, item: Item) -> Output:
        """How the model scores what is expected: its log probability, tokens, and tokens that it held likeliest."""
        from stages.shared.packing import next_token_scores

        return next_token_scores(np.asarray(output), item.expected)

    def answered(self, runtime: Any, item: Any) -> Output:
        """What is written after what is asked, and how what is expected is scored."""
        scores = self.kept(runtime.model.log_probabilities(item.ids.tolist()), item)
        return [runtime.run(item.rows[0]), np.asarray(scores)]

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of the tokens that are learnt, in nats; logits (batch, tokens, words)."""
        from stages.shared.packing import next_token_loss

        return next_token_loss(logits, batch["expected"])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """Those tokens, a scalar."""
        from stages.shared.packing import next_token_count

        return next_token_count(batch["expected"])

    def base_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """The tokens that end a text, and that are never written. Raises ParamsError where nothing ends one."""
        return {"writes": self.settings()["writes"] | {"ends": ends_of(tokenizer), "never": never_of(tokenizer)}}

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task: of what is asked no more is read than leaves room to write."""
        room = {"max_tokens": self.reading["max_tokens"] - self.writing.max_new_tokens, "open_ended": True}
        writes = {"kind": self.head, **self.writing.model_dump()}
        common = {"task": self.name, "answers": "text", "inputs": list(self.asked), "writes": writes}  # type: ignore[attr-defined]
        return common | self.reading | room

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Perplexity and token accuracy of what is expected, distinct-1 and 2 of what is written."""
        from stages.tasks._language_scores import language_figures

        return language_figures(predicted)

    def counted(self, reader: Reader, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples with their rows of tokens, of which some are expected."""
        rows: list[list[dict[str, Any]]] = [[] for _ in examples]
        for item in self.items(reader, examples):
            rows[item.example].append({"ids": item.ids.tolist(), "expected": item.expected.tolist()})  # type: ignore[attr-defined]
        words = reader.tokenizer.get_vocab_size()
        return [{**example, "rows": own, "words": words} for example, own in zip(examples, rows, strict=True)]

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """Perplexity and token accuracy of each model in resamples of the rows, the same for all."""
        from stages.tasks._language_scores import resampled_language_figures

        return [resampled_language_figures(predicted, samples, seed) for predicted in models]

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """The share of the expected tokens that it held likeliest."""
        _, tokens, right = prediction["scores"]
        return float(right / max(1, tokens))

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write plots/perplexity.csv; give how the texts lie by perplexity."""
        from stages.tasks._language_scores import language_report

        return language_report(out, predicted)


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
