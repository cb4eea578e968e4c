"""How well expected tokens are told: the figures of the scores that a language model gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.tasks import Prediction

SCORES = ("log_probability", "tokens", "right")  # of what is expected of an example


def scores_of(predicted: Sequence[Prediction]) -> np.ndarray:
    """Summed log probability in nats, tokens, and tokens held likeliest, of each example, shape (examples, 3)."""
    return np.array([prediction["scores"] for prediction in predicted], dtype=np.float64).reshape(-1, len(SCORES))


def token_figures(sums: np.ndarray, accuracy: str = "token_accuracy") -> dict[str, np.ndarray]:
    """Loss in nats a token, perplexity and, under that name, accuracy, given sums of scores, shape (..., 3)."""
    tokens = np.maximum(sums[..., 1], 1)
    loss = -sums[..., 0] / tokens
    return {"loss": loss, "perplexity": np.exp(np.minimum(loss, 700)), accuracy: sums[..., 2] / tokens}
