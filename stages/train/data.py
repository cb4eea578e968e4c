"""Both splits, read once for all epochs."""

from pathlib import Path
from typing import Any

from stages.shared.examples import read_split
from stages.shared.fitting import Data
from stages.tasks import Task


def read_data(augmented: Path, task: Task, tokenizer: Any, settings: dict[str, Any], balanced: bool) -> Data:
    """Both splits, as the model reads them."""
    reader = task.open_reader(tokenizer, settings)
    task = task.read_by(reader)
    train_rows, validation_rows = (list(read_split(augmented, split)) for split in ("train", "validation"))
    return Data(
        task=task,
        reader=reader,
        settings=settings,
        padding=tokenizer.pad_token_id or 0,
        train=task.training_items(reader, train_rows),
        validation=task.items(reader, validation_rows),
        train_rows=train_rows,
        validation_rows=validation_rows,
        weights=task.class_weights(train_rows) if balanced else None,
    )
