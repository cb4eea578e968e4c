"""What is learnt from and measured on, and the measurement on the validation split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from serving.reading import Reader
from stages.shared.answering import decode, run_of
from stages.shared.examples import Example, read_split
from stages.shared.items import Item, collate, items_of, reader_of
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.shared.predict import Batching, predict
from stages.tasks import Batch, Task, asked_of


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

    def batch(self, items: Sequence[Item]) -> Batch:
        """One padded batch."""
        return collate(items, self.padding)


def read_data(
    augmented: Path, task: Task, tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any], balanced: bool
) -> Data:
    """Both splits, as the model reads them."""
    reader = reader_of(tokenizer, settings)
    train_rows, validation_rows = (list(read_split(augmented, split)) for split in ("train", "validation"))
    return Data(
        task=task,
        reader=reader,
        settings=settings,
        padding=tokenizer.pad_token_id or 0,
        train=items_of(task, reader, train_rows),
        validation=items_of(task, reader, validation_rows),
        train_rows=train_rows,
        validation_rows=validation_rows,
        weights=task.class_weights(train_rows) if balanced else None,
    )


def measure(
    model: PreTrainedModel, data: Data, weights: torch.Tensor | None, params: Params
) -> tuple[float, Metrics, dict[str, Any]]:
    """The loss and the metrics on the validation split, and the settings that the task decides on there."""
    task, rows = data.task, data.validation_rows
    losses: list[tuple[float, float]] = []

    def seen(logits: torch.Tensor, batch: Batch) -> None:
        losses.append((task.loss_sum(logits, batch, weights).item(), task.loss_weight(batch, weights).item()))

    way = Batching(params.train.batch_size, data.padding, "validate")
    outputs = predict(model, data.validation, way, seen)
    run = run_of(data.reader, lambda items: predict(model, items, way))
    settings = data.settings | task.gather([*data.train_rows, *rows], run)
    asked = [asked_of(task, row) for row in rows]
    predicted = decode(outputs, data.validation, asked, settings)
    tuned = task.tune(rows, predicted)
    if tuned:
        predicted = decode(outputs, data.validation, asked, settings | tuned)
    loss = sum(part for part, _ in losses) / sum(weight for _, weight in losses)
    return loss, task.metrics(rows, predicted), tuned
