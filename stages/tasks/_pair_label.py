"""A label for two texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stages.shared.examples import Example
from stages.tasks import Prediction
from stages.tasks._labels import SingleLabel
from stages.tasks._pair_score import TEXTS


@dataclass(frozen=True)
class PairLabel(SingleLabel):
    """Labelling two texts."""

    texts: tuple[str, ...] = TEXTS
    head: Literal["sequence", "compared"] = "compared"

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What the nearness of the two texts, and their words, tell a linear classifier."""
        from stages.tasks._pair_baseline import pair_labels

        return pair_labels(splits, seed)
