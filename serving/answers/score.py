"""A score for one example, such as how alike two texts are; of several windows the mean counts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.answers._faults import is_number, refuse
from serving.answers._probabilities import pooled
from serving.reading import Window
from serving.text import CleanText


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when the bounds of the score are missing."""
    bounds: Any = settings.get("score")
    is_fit = isinstance(bounds, dict) and all(is_number(bounds.get(name)) for name in ("min", "max"))
    if not is_fit or bounds["min"] >= bounds["max"]:
        refuse(['`score` must be {"min", "max"}, two numbers, the lower one first'])


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"score", "confidence"}: within the bounds; a score has no confidence, it is None.

    The model says where between the bounds the score lies, as the logit of a probability: 0 is in the middle.
    """
    (logit,) = pooled(outputs).tolist()
    place = 0.5 + 0.5 * math.tanh(0.5 * logit)  # the logistic function, without an overflow
    low, high = settings["score"]["min"], settings["score"]["max"]
    return {"score": low + (high - low) * place, "confidence": None}


def word(answer: dict[str, Any]) -> str:
    """The score with four decimals."""
    return f"{round(answer['score'], 4) + 0.0:.4f}"  # + 0.0: no minus before a zero
