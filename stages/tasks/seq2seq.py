"""A text from a text, by an encoder-decoder: translation, summaries, rewriting.

Source: Sutskever et al. 2014, arXiv:1409.3215
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from datasets import Value
from pydantic import model_validator

from serving.reading import Reader
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Prediction, Task
from stages.tasks._writing import Writing, WritingParams, WrittenTexts, encoded, ends_of, never_of, written

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from stages.shared.base_model import BaseModel
    from stages.shared.choices import Choices
    from stages.shared.items import Item, Output


class Params(WritingParams):
    """How it is learnt and measured.

    Attributes:
        primary: the figure that chooses: bleu or chrf for translation, rouge_l for summaries.
        bleu_tokens: how BLEU counts tokens, by sacrebleu's names.
    """

    name: Literal["seq2seq"]
    primary: Literal["bleu", "chrf", "rouge_1", "rouge_2", "rouge_l"]
    bleu_tokens: Literal["13a", "intl", "zh", "char", "none"]

    @model_validator(mode="after")
    def _reads_a_source_at_once(self) -> Self:
        if self.long_texts == "windows":
            raise ValueError("long_texts: 'windows' would write several texts; seq2seq takes head or head_tail")
        return self


def open_task(params: Params) -> Task:
    """The task of writing a target for a text."""
    return Seq2Seq(params.name, params.reading(), params.writing, params.primary, params.bleu_tokens)


@dataclass(frozen=True)
class Seq2Seq(WrittenTexts):
    """Writing a target for a text. The attributes are those of Params and of the contract."""

    name: str
    reading: dict[str, Any]
    writing: Writing
    primary: str
    bleu_tokens: str
    texts: tuple[str, ...] = ("text", "target")
    asked: tuple[str, ...] = ("text",)
    together: tuple[str, ...] = ("text",)
    target: str = "target"
    head: Literal["seq2seq"] = "seq2seq"

    @property
    def columns(self) -> dict[str, Any]:
        """The text and its target."""
        return {name: Value("string") for name in self.texts}

    @property
    def limits(self) -> tuple[int, ...]:
        """Of the text, and of the target."""
        return self.reading["max_tokens"], self.writing.max_new_tokens

    def require_fit(self, base: BaseModel) -> None:
        """Raise ParamsError where a text or a target may be longer than the base can read."""
        from stages.shared.base_model import require_length

        require_length(base, max(self.limits))

    def shown(self, example: Example) -> list[tuple[str, ...]]:
        """The text and the target, each by itself."""
        return [(example["text"],), (example["target"],)]

    def base_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """The tokens that end a text, and that are never written. Raises ParamsError where nothing ends one."""
        return {"writes": self.settings()["writes"] | {"ends": ends_of(tokenizer), "never": never_of(tokenizer)}}

    def items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """The text as it is asked, and the tokens of the target with the one that ends it."""
        from stages.shared.items import TargetItem

        sources = reader.read_all([(example["text"],) for example in examples])
        targets = encoded(reader, [row["target"] for row in examples], self.writing.max_new_tokens, specials=True)
        pairs = zip(sources, targets, strict=True)
        return [TargetItem(position, (read.windows[0],), target) for position, (read, target) in enumerate(pairs)]

    def kept(self, output: Output, item: Item) -> Output:
        """Nothing of the pass over the expected target: what counts is what is written."""
        return []

    def answered(self, runtime: Any, item: Item) -> Output:
        """What is written for the text."""
        return [runtime.run(item.rows[0])]

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of the tokens of the targets, in nats; logits (batch, tokens, words)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits.reshape(-1, logits.shape[-1]), batch["expected"].reshape(-1), reduction="sum")

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The words of the targets of a batch."""
        from stages.shared.choices import Choices

        expected = batch["expected"].reshape(-1)
        there = expected >= 0
        return Choices(logits.reshape(-1, logits.shape[-1])[there], expected[there])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The tokens of the targets, a scalar."""
        return (batch["expected"] >= 0).sum()

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task."""
        writes = {"kind": self.head, **self.writing.model_dump()}
        return {"task": self.name, "answers": "text", "inputs": list(self.asked), "writes": writes, **self.reading}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """BLEU, chrF2, ROUGE-1, 2 and L, from 0 to 100; the length of all that is written in that of the expected."""
        from stages.tasks._text_scores import text_figures

        texts, expected = written(predicted), self._expected(examples)
        lengths = [sum(map(len, several)) for several in (texts, expected)]
        complete = np.mean([prediction["said"]["complete"] for prediction in predicted])
        shape = {"length_ratio": lengths[0] / max(1, lengths[1]), "complete_share": float(complete)}
        return text_figures(texts, expected, self.bleu_tokens) | shape

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """chrF2 of the text, from 0 to 1."""
        from stages.tasks._text_scores import nearness

        return nearness(prediction["said"]["written"], example["target"])

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """Every figure of each model in resamples of the rows, the same for all."""
        from stages.tasks._text_scores import resampled_text_figures

        expected = self._expected(examples)
        return [resampled_text_figures(written(one), expected, self.bleu_tokens, samples, seed) for one in models]

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """The target of the nearest text that is known, or the first words of the text, as validation has it."""
        from stages.tasks._writing_baseline import nearest_or_first

        return nearest_or_first(splits, self.asked[0], self.target, lambda *both: self.metrics(*both)[self.primary])

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write the nearness of each text as plots/nearness.csv; say how it lies, and how BLEU was counted."""
        from stages.tasks._text_scores import signature
        from stages.tasks._writing_report import nearness_report

        both = [self.rightness(*pair) for pair in zip(examples, predicted, strict=True)]
        return nearness_report(out, both, signature(self.bleu_tokens))

    def _expected(self, examples: Sequence[Example]) -> list[str]:
        return [example["target"] for example in examples]
