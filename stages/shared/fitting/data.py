"""What is learnt from and measured on, and the measurement on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedModel

from serving.reading import Reader
from stages.shared.answering import decode, run_of
from stages.shared.examples import Example
from stages.shared.items import Item
from stages.shared.outcome import Metrics
from stages.shared.predict import Batching, ask, predict

if TYPE_CHECKING:
    from stages.tasks import Batch, Task


@dataclass(frozen=True)
class Data:
    """Both splits, read once for all epochs.

    Attributes:
        task: what is learnt.
        reader: from texts to tokens.
        settings: how texts are read and answers decoded.
        padding: id of the padding token.
        train, validation: the items of each split.
        train_rows, validation_rows: their examples.
        weights: of the classes, shape (classes,), or None.
    """

    task: Task
    reader: Reader
    settings: dict[str, Any]
    padding: int
    train: Sequence[Item]
    validation: Sequence[Item]
    train_rows: Sequence[Example]
    validation_rows: Sequence[Example]
    weights: torch.Tensor | None

    def batch(self, positions: Sequence[int], seed: Sequence[int]) -> Batch:
        """One padded batch of training items, each as it is learnt from this time: the same for the same seed."""
        random = np.random.default_rng([*seed])
        return self.task.batch([self.task.renewed(self.train[i], random) for i in positions], self.padding)

    @property
    def lengths(self) -> list[int]:
        """The tokens of each training item."""
        return [item.tokens for item in self.train]

    def measured(
        self, model: PreTrainedModel, weights: torch.Tensor | None, batch_size: int
    ) -> tuple[float, Metrics, dict[str, Any]]:
        """The loss and the metrics on the validation split, and the settings that are decided on there."""
        return measure(model, self, weights, batch_size)


def measure(
    model: PreTrainedModel, data: Data, weights: torch.Tensor | None, batch_size: int
) -> tuple[float, Metrics, dict[str, Any]]:
    """The loss and the metrics on the validation split, and the settings that the task decides on there.

    A model that writes does so greedily here: to compare it with itself that will do, in a fraction of the time.
    """
    task, rows = data.task, data.validation_rows
    losses: list[tuple[float, float]] = []

    def seen(logits: torch.Tensor, batch: Batch) -> None:
        losses.append((task.loss_sum(logits, batch, weights).item(), task.loss_weight(batch, weights).item()))

    way = Batching(batch_size, data.padding, "validate")
    greedily = {"writes": data.settings["writes"] | {"beams": 1}} if "writes" in data.settings else {}
    outputs = ask(task, model, data.validation, way, data.settings | greedily, seen)
    run = run_of(data.reader, lambda items: predict(task, model, items, way))
    settings = data.settings | task.gather([*data.train_rows, *rows], run)
    predicted = decode(task, rows, data.validation, outputs, settings, data.reader)
    tuned = task.tune(rows, predicted)
    if tuned:
        predicted = decode(task, rows, data.validation, outputs, settings | tuned, data.reader)
    loss = sum(part for part, _ in losses) / sum(weight for _, weight in losses)
    return loss, task.metrics(rows, predicted), tuned
