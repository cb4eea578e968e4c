"""From logits to probabilities, in float64."""

from collections.abc import Sequence

import numpy as np


def pooled(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the windows' logits, shape (outputs,)."""
    return np.asarray(np.mean(outputs, axis=0, dtype=np.float64))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis; they add up to 1."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The probability of each logit by itself; large ones of either sign do not overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits.astype(np.float64))))
