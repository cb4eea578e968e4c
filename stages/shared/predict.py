"""The model's output for many items: batches sorted by length, results in the order they were asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedModel

from stages.shared.batches import sorted_batches
from stages.shared.bodies import has_token_types
from stages.shared.items import Item, collate, outputs_of
from stages.shared.progress import Progress

Seen = Callable[[torch.Tensor, dict[str, torch.Tensor]], None]


def input_names(config: PretrainedConfig) -> list[str]:
    """The inputs that an architecture needs: token types only where it tells more than one type apart."""
    names = ["input_ids", "attention_mask"]
    return [*names, "token_type_ids"] if has_token_types(config) else names


def inputs_of(batch: dict[str, torch.Tensor], model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What the model sees of a batch."""
    return {name: batch[name] for name in input_names(model.config)}


def to_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The batch on the device of the model."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


@dataclass(frozen=True)
class Batching:
    """How predicting is done.

    Attributes:
        batch_size: items per forward pass.
        padding: the id of the padding token.
        what: the name of the work, for the progress.
    """

    batch_size: int
    padding: int
    what: str


def predict(model: PreTrainedModel, items: Sequence[Item], way: Batching, seen: Seen | None = None) -> list[np.ndarray]:
    """The output of each item, float32, as `stages.shared.items.outputs_of` shapes it, in the order of the items.

    The model is put into evaluation mode for it, and back into the mode that it was in. `seen` is called with the
    logits and the batch of each forward pass.
    """
    was_training = model.training
    model.train(False)
    found: list[np.ndarray] = [np.empty(0)] * len(items)
    batches = sorted_batches([item.tokens for item in items], way.batch_size)
    with torch.inference_mode(), Progress(way.what, len(items)) as progress:
        for positions in batches:
            chosen = [items[position] for position in positions]
            batch = to_device(collate(chosen, way.padding), model.device)
            logits = model(**inputs_of(batch, model)).logits.float()
            if seen is not None:
                seen(logits, batch)
            for position, output in zip(positions, outputs_of(logits.cpu().numpy(), chosen), strict=True):
                found[position] = output
            progress.advance(len(positions))
    model.train(was_training)
    return found
