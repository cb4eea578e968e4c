"""One label for one text, with the probability of each."""

from typing import Any

import numpy as np

from serving.errors import BundleDamaged


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when there are no labels."""
    labels = settings.get("labels")
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise BundleDamaged("settings.json: `labels` must be two or more words, in the order of the model's outputs")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of one row of logits (classes,), in float64; they add up to 1."""
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(shifted / shifted.sum())


def answer(logits: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
    """{"label", "confidence", "scores"}: the likeliest label, its probability, and that of each label."""
    probabilities = softmax(logits).tolist()
    scores = dict(zip(settings["labels"], probabilities, strict=True))
    label = max(scores, key=lambda name: scores[name])
    return {"label": label, "confidence": scores[label], "scores": scores}


def word(answer: dict[str, Any]) -> str:
    """The label."""
    return str(answer["label"])
