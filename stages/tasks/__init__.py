"""What is predicted. A task is a file of this folder; the rest of the pipeline asks no other question of it.

    class Params(Choice)     its options in params.yaml: labels, lengths
    COLUMNS                  the columns that it adds to an example, with their types
    PRIMARY                  the name of its primary metric; higher is better
and the functions of the protocol below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from stages.shared.examples import Example
from stages.shared.outcome import Metrics

if TYPE_CHECKING:  # every stage reads the task's Params, and most need no torch
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Batch: TypeAlias = "dict[str, torch.Tensor]"
Prediction: TypeAlias = dict[str, Any]


class Task(Protocol):
    """What a file of this folder provides. `params` is always the task's own Params."""

    COLUMNS: dict[str, Any]
    PRIMARY: str

    def texts(self, example: Example) -> tuple[str, ...]:
        """The texts of an example: what is cleaned, measured, compared for duplicates and shown to the model."""
        ...

    def with_texts(self, example: Example, texts: tuple[str, ...]) -> Example:
        """The same example with other texts, as after cleaning or augmentation."""
        ...

    def answer(self, example: Example) -> str:
        """What is expected of the example, as one word: for class balance, stratifying and conflicts."""
        ...

    def answers(self, params: Any) -> list[str]:
        """The answers there are, each of which must occur in every split; empty for a task without a fixed set."""
        ...

    def fault(self, example: Example, params: Any) -> str | None:
        """Why the expected answer cannot be used (an unknown label, with the nearest known one), else None."""
        ...

    def protected_words(self) -> frozenset[str]:
        """Words, in lower case, that augmentation must not touch because they may carry the answer."""
        ...

    def encode(
        self, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], params: Any
    ) -> list[dict[str, Any]]:
        """Token ids and expected answer of each example, unpadded: {"input_ids": list[int], ..., "expected": ...}."""
        ...

    def collate(self, encoded: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> Batch:
        """One padded batch: "input_ids" and "attention_mask" (batch, tokens), "expected" as the loss wants it."""
        ...

    def load_model(self, base: Path, params: Any) -> PreTrainedModel:
        """The base model with the task's head; a head that the base lacks is drawn from torch's seed."""
        ...

    def class_weights(self, examples: Sequence[Example], params: Any) -> torch.Tensor:
        """Balanced weights, shape (classes,): rows / (classes x rows of the class)."""
        ...

    def loss_sum(self, logits: torch.Tensor, expected: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed loss of a batch, a scalar in nats. Divided by `loss_weight` it is the mean."""
        ...

    def loss_weight(self, expected: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """What the summed loss of a batch is divided by, a scalar: the examples, or their class weights."""
        ...

    def decode(self, logits: np.ndarray, params: Any) -> list[Prediction]:
        """The answer of each row of logits: {"answer": str, "confidence": float, ...}."""
        ...

    def metrics(self, expected: Sequence[str], predicted: Sequence[Prediction], params: Any) -> Metrics:
        """Every metric of the task, PRIMARY among them: fractions in [0, 1]."""
        ...

    def class_scores(self, expected: Sequence[str], predicted: Sequence[Prediction], params: Any) -> Metrics:
        """The F1 of each class, by its name, for the worst class of a comparison."""
        ...

    def resample(
        self, expected: Sequence[str], models: Sequence[Sequence[Prediction]], params: Any, samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The headline metrics, and `f1.<class>`, of each model in resamples of the test rows.

        The rows drawn are the same for all models, so that the values of two can be subtracted.

        Returns:
            For each model: name of the metric: its values, shape (samples,).
        """
        ...

    def baseline(self, splits: Mapping[str, Sequence[Example]], params: Any, seed: int) -> tuple[list[Prediction], str]:
        """What the classical method for the task answers on splits["test"], and what it is, in words.

        It learns from splits["train"] and chooses its settings on splits["validation"].
        """
        ...

    def report(self, out: Path, expected: Sequence[str], predicted: Sequence[Prediction], params: Any) -> str:
        """Write the task's own plots/*.csv and pictures/*.png into `out`; give its part of the report, in Markdown."""
        ...

    def bundle_settings(self, params: Any) -> dict[str, Any]:
        """What the server needs to know: {"task": name, "labels": [...], "max_tokens": n, ...}."""
        ...
