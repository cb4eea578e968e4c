"""Whether two models say the same of the same items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedModel

from stages.shared.errors import MachineError
from stages.shared.items import Item
from stages.shared.predict import Batching, predict

if TYPE_CHECKING:
    from stages.tasks import Task

TOLERANCE = 1e-5  # relative to the largest that is said, which counts as 1 at least
COMPARED = 8  # items at once


def say(task: Task, model: PreTrainedModel, items: Sequence[Item], padding: int) -> list[np.ndarray]:
    """What the model says of the items: logits of each batch."""
    found: list[np.ndarray] = []
    way = Batching(COMPARED, padding, "compare")
    predict(task, model, items, way, lambda logits, _batch: found.append(logits.cpu().numpy()))
    return found


def require_same(one: Sequence[np.ndarray], other: Sequence[np.ndarray], what: str, tolerance: float) -> None:
    """Raise MachineError when two models do not say the same.

    Args:
        what: the sentence that is wrong then, such as "train: the model that was saved says something else".
        tolerance: 0 is the same to the bit.
    """
    for first, second in zip(one, other, strict=True):
        there = np.isfinite(first)
        apart = float(np.abs(first - second)[there].max(initial=0))
        if apart > tolerance * max(1.0, float(np.abs(first[there]).max(initial=0))):
            raise MachineError(
                f"{what}: a logit differs by {apart:.2g}. Please report this with the base and the task."
            )
