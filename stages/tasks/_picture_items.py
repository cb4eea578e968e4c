"""From pictures to batches: an item holds the picture as it was given, a batch its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from serving.pictures import PictureReader
from stages.shared.examples import Example
from stages.shared.items import Item


class PictureItem(Item):
    """A picture that is learnt from; all are of one size."""

    @property
    def tokens(self) -> int:
        """1."""
        return 1


def picture_items(reader: PictureReader, examples: Sequence[Example], labels: Sequence[str]) -> list[PictureItem]:
    """An item for each example, in order."""
    index = {label: position for position, label in enumerate(labels)}
    return [
        PictureItem(position, (cast(Any, reader.picture(example["image"])),), index[example["label"]])
        for position, example in enumerate(examples)
    ]


def picture_batch(items: Sequence[Item]) -> dict[str, torch.Tensor]:
    """{"pixel_values": float32 (pictures, 3, height, width), "expected": int64 (pictures,)}."""
    pixels = np.stack([item.rows[0].feed()["pixel_values"] for item in items])
    return {"pixel_values": torch.from_numpy(pixels), "expected": torch.tensor([item.expected for item in items])}
