"""One label for one example, with the probability of each; of several windows the mean of the logits counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.answers._faults import fault_of_words, refuse
from serving.answers._probabilities import pooled, softmax
from serving.reading import Window
from serving.text import CleanText


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when there are no labels."""
    refuse([fault_of_words(settings, "labels", 2)])


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"label", "confidence", "scores"}: the likeliest label, its probability, and that of each label."""
    scores = dict(zip(settings["labels"], softmax(pooled(outputs)).tolist(), strict=True))
    label = max(scores, key=lambda name: scores[name])
    return {"label": label, "confidence": scores[label], "scores": scores}


def word(answer: dict[str, Any]) -> str:
    """The label."""
    return str(answer["label"])
