"""What the teacher makes of each text that the student learns from: computed once, before the student learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import kl_div
from transformers import PreTrainedModel

from stages.shared.batches import sorted_batches
from stages.shared.fitting import Data, Learner
from stages.shared.items import Item
from stages.shared.kept import Store
from stages.shared.predict import TAUGHT, inputs_of, to_device
from stages.shared.progress import Progress

if TYPE_CHECKING:
    from stages.shared.params import Student
    from stages.tasks import Batch

NEVER = -1e4  # a logit in the place of -inf
LOGITS, LAYER = f"{TAUGHT}logits", f"{TAUGHT}layer."


@contextmanager
def outputs_of_layers(layers: Sequence[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """What the layers gave in the last pass, (rows, tokens, hidden) each, as long as this context is open."""
    seen: list[torch.Tensor] = [torch.empty(0)] * len(layers)

    def keep(place: int) -> Callable[..., None]:
        def hook(_layer: nn.Module, _given: Any, made: Any) -> None:
            seen[place] = made if isinstance(made, torch.Tensor) else made[0]

        return hook

    hooks = [layer.register_forward_hook(keep(place)) for place, layer in enumerate(layers)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _of_items(made: np.ndarray, items: Sequence[Item], has_tokens: bool) -> Iterator[np.ndarray]:
    """The part of what came of a batch that each item has, (rows, ...), without padding where the axes are tokens."""
    start = 0
    for item in items:
        rows = made[start : start + len(item.rows)]
        start += len(item.rows)
        yield rows[:, : item.tokens] if has_tokens and rows.ndim == 3 else rows


def _joined(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """The rows of several items as one array, filled up with zeros to the longest."""
    if arrays[0].ndim < 3:
        return torch.from_numpy(np.concatenate(arrays))
    longest = max(array.shape[1] for array in arrays)
    return torch.from_numpy(
        np.concatenate([np.pad(one, [(0, 0), (0, longest - one.shape[1]), (0, 0)]) for one in arrays])
    )


def _key(name: str, place: int) -> bytes:
    return blake2b(f"{name}.{place}".encode(), digest_size=16).digest()


class Lesson:
    """What the teacher said of each training item, by its position: kept on disk.

    Args:
        layers: the teacher's, whose outputs are kept; none where only its answer is learnt from.
    """

    def __init__(self, teacher: PreTrainedModel, data: Data, layers: Sequence[nn.Module], batch_size: int) -> None:
        self._store = Store()
        self._names = [LOGITS, *(f"{LAYER}{place}" for place, _ in enumerate(layers))]
        teacher.train(False)
        with torch.no_grad(), outputs_of_layers(layers) as seen, Progress("teach", len(data.train)) as progress:
            for positions in sorted_batches(data.lengths, batch_size):
                items = [data.train[place] for place in positions]
                batch = to_device(data.task.batch(items, data.padding), teacher.device)
                made = [teacher(**inputs_of(batch, teacher)).logits, *seen]
                for name, several in zip(self._names, made, strict=True):
                    values = several.float().cpu().numpy()
                    for place, part in zip(positions, _of_items(values, items, "attention_mask" in batch), strict=True):
                        self._store.add(_key(name, place), np.ascontiguousarray(part))
                progress.advance(len(positions))

    def of(self, positions: Sequence[int]) -> dict[str, torch.Tensor]:
        """What it said of a batch: logits, (rows, ...), and what its layers gave, (rows, tokens, hidden)."""
        return {
            name: _joined([self._store.get(_key(name, place)).copy() for place in positions]) for name in self._names
        }

    def close(self) -> None:
        """Give the space back."""
        self._store.close()


@dataclass(frozen=True)
class Taught(Data):
    """The data of the task, each batch with what the teacher said of it."""

    lesson: Lesson

    def batch(self, positions: Sequence[int], seed: Sequence[int]) -> Batch:
        """One padded batch of training items, and what the teacher said of them."""
        return super().batch(positions, seed) | self.lesson.of(positions)


def divergence(said: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """How far (choices, options) logits are from the teacher's, in nats: the mean over the choices, times temperature².

    Source: Hinton et al. 2015, Distilling the knowledge in a neural network, arXiv:1503.02531, section 2
    """
    one, other = ((logits.float().clamp(min=NEVER) / temperature).log_softmax(dim=-1) for logits in (said, taught))
    return temperature**2 * kl_div(one, other, reduction="batchmean", log_target=True)


def distance(made: torch.Tensor, taught: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The squared distance of (rows, tokens, hidden) to the teacher's, as a fraction of those squares; not of padding.

    Source: Sun et al. 2019, Patient knowledge distillation, arXiv:1908.09355, equation 7
    """
    apart, size = (made.float() - taught).square().sum(dim=-1), taught.square().sum(dim=-1)
    kept = torch.ones_like(apart) if mask is None else mask.to(apart.dtype)
    return (apart * kept).sum() / (size * kept).sum()


def learn_from_teacher(learner: Learner, layers: Sequence[torch.Tensor], values: Student) -> None:
    """Let the loss be of the label and of what the teacher said.

    Args:
        layers: what the student's layers gave in the last pass, as `outputs_of_layers` has it.
    """

    def loss(batch: Batch) -> torch.Tensor:
        said = learner.logits(batch)
        weight = learner.weight_of(batch)
        hard = learner.loss_of(said, batch)
        one, other = (learner.choices(logits, batch).logits for logits in (said, batch[LOGITS].to(said.dtype)))
        soft = divergence(one, other, values.temperature) * weight
        total = (1 - values.soft_weight) * hard + values.soft_weight * soft
        if values.hidden_weight:
            mask = batch.get("attention_mask")
            apart = [distance(made, batch[f"{LAYER}{place}"], mask) for place, made in enumerate(layers)]
            total = total + values.hidden_weight * torch.stack(apart).mean() * weight
        return total

    learner.loss = loss
