"""What tasks of a causal language model share: they are learnt and measured token by token, and write a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from serving.reading import Reader
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Prediction
from stages.tasks._writing import Writing, WrittenTexts, ends_of, never_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from stages.shared.choices import Choices
    from stages.shared.items import Item, Output


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

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The tokens of a batch that are learnt."""
        from stages.shared.choices import Choices

        expected = batch["expected"][:, 1:].reshape(-1)
        there = expected >= 0
        return Choices(logits[:, :-1].reshape(-1, logits.shape[-1])[there], expected[there])

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
