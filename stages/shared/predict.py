"""The model's output for many items: batches sorted by length, results in the order they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedModel

from stages.shared.batches import sorted_batches
from stages.shared.bodies import has_token_types
from stages.shared.items import IGNORED, Item, Output, outputs_of
from stages.shared.progress import Progress
from stages.shared.writing import write

if TYPE_CHECKING:
    from stages.tasks import Task

TAUGHT = "taught."  # what begins with it is of a teacher: a batch may have it, and the model does not see it
Seen = Callable[[torch.Tensor, dict[str, torch.Tensor]], None]


def input_names(config: PretrainedConfig) -> list[str]:
    """The inputs that an architecture needs: token types only where it tells more than one type apart."""
    names = ["input_ids", "attention_mask"]
    return [*names, "token_type_ids"] if has_token_types(config) else names


def _shifted(expected: torch.Tensor, config: PretrainedConfig) -> torch.Tensor:
    """What a decoder reads to say what is expected, (batch, tokens): the start, then all but the last of it."""
    start = torch.full_like(expected[:, :1], config.decoder_start_token_id)
    return torch.cat([start, expected[:, :-1].masked_fill(expected[:, :-1] == IGNORED, config.pad_token_id)], dim=1)


def inputs_of(batch: dict[str, torch.Tensor], model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What the model sees of a batch: not what is taught or expected; that, by one later, where it has a decoder."""
    dropped = {"expected"} if has_token_types(model.config) else {"expected", "token_type_ids"}
    inputs = {name: tensor for name, tensor in batch.items() if name not in dropped and not name.startswith(TAUGHT)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = _shifted(batch["expected"], model.config)
    return inputs


def to_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The batch on the device of the model; to a GPU from pinned memory, so that the copy needs no waiting for."""
    if device.type == "cuda":
        batch = {name: tensor.pin_memory() for name, tensor in batch.items()}
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


def predict(
    task: Task, model: PreTrainedModel, items: Sequence[Item], way: Batching, seen: Seen | None = None
) -> list[Output]:
    """The output of each item, float32, as the task keeps it, in the order of the items.

    The model is put into evaluation mode for it, and back into the mode that it was in. `seen` is called with the
    logits and the batch of each forward pass.
    """
    was_training = model.training
    model.train(False)
    found: list[Output] = [np.empty(0)] * len(items)
    batches = sorted_batches([item.tokens for item in items], way.batch_size)
    with torch.inference_mode(), Progress(way.what, len(items)) as progress:
        for positions in batches:
            chosen = [items[position] for position in positions]
            batch = to_device(task.batch(chosen, way.padding), model.device)
            logits = model(**inputs_of(batch, model)).logits.float()
            if seen is not None:
                seen(logits, batch)
            for position, output in zip(positions, outputs_of(logits.cpu().numpy(), chosen), strict=True):
                found[position] = task.kept(output, items[position])
            progress.advance(len(positions))
    model.train(was_training)
    return found


def ask(
    task: Task,
    model: PreTrainedModel,
    items: Sequence[Item],
    way: Batching,
    settings: Mapping[str, Any],
    seen: Seen | None = None,
) -> list[Output]:
    """The output of each item, as in production: what one pass gives, or, where the settings say so, what is written.

    Args:
        settings: of the task and the trained model; "writes" says how a model writes.
    """
    passed = predict(task, model, items, way, seen)
    return write(model, items, passed, way, settings["writes"]) if "writes" in settings else passed
