"""The model's answer for many examples: batches sorted by length, results in the order they were asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.shared.batches import lengths_of, sorted_batches
from stages.shared.progress import Progress

Encoded = Sequence[dict[str, Any]]
Collate = Callable[[Encoded], dict[str, torch.Tensor]]


def to_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The batch on the device of the model."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def inputs_of(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the model sees of a batch: all but the expected answer."""
    return {name: tensor for name, tensor in batch.items() if name != "expected"}


def predict(model: PreTrainedModel, encoded: Encoded, collate: Collate, batch_size: int, what: str) -> np.ndarray:
    """The logits of each example, float32, shape (examples, classes), in the order of `encoded`.

    The model is put into evaluation mode for it, and back into the mode that it was in.
    """
    was_training = model.training
    model.train(False)
    pieces: list[np.ndarray] = []
    batches = sorted_batches(lengths_of(encoded), batch_size)
    with torch.inference_mode(), Progress(what, len(encoded)) as progress:
        for batch in batches:
            inputs = to_device(inputs_of(collate([encoded[index] for index in batch])), model.device)
            pieces.append(model(**inputs).logits.float().cpu().numpy())
            progress.advance(len(batch))
    model.train(was_training)
    order = np.argsort([index for batch in batches for index in batch])
    logits: np.ndarray = np.concatenate(pieces)[order]
    return logits
