"""What a batch decides: one out of several options, as often as there is something to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Choices(NamedTuple):
    """The choices that a batch is made of: one out of several options each, as a label, a tag, a word, a place.

    Attributes:
        logits: (choices, options); -inf is no option.
        expected: the right option of each, (choices,); None where what is expected lies between two.
        weights: of each, (choices,); None is 1.
    """

    logits: torch.Tensor
    expected: torch.Tensor | None
    weights: torch.Tensor | None = None
