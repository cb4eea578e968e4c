"""Several labels for one example, or none, each by its own threshold; of several windows the mean logits count."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.answers._faults import fault_of_words, is_number, refuse
from serving.answers._probabilities import pooled, sigmoid
from serving.reading import Window
from serving.text import CleanText


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when there are no labels, or no threshold for each."""
    fault = fault_of_words(settings, "labels", 1)
    thresholds = settings.get("thresholds")
    if not isinstance(thresholds, dict) or not all(map(is_number, thresholds.values())):
        refuse([fault, "`thresholds` must be a number for each label"])
    elif not fault and set(thresholds) != set(settings["labels"]):
        fault = f"`thresholds` are for {sorted(thresholds)}, the labels are {sorted(settings['labels'])}"
    refuse([fault])


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"labels", "confidence", "scores"}: those from their threshold on, and the probability of each label.

    The confidence is that of the least certain label: the smallest of max(p, 1 - p).
    """
    scores = dict(zip(settings["labels"], sigmoid(pooled(outputs)).tolist(), strict=True))
    labels = [label for label, score in scores.items() if score >= settings["thresholds"][label]]
    confidence = min(max(score, 1 - score) for score in scores.values())
    return {"labels": labels, "confidence": confidence, "scores": scores}


def word(answer: dict[str, Any]) -> str:
    """The labels, joined by `|`."""
    return "|".join(answer["labels"])
