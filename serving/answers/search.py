"""The best of many known answers to a question: those whose vectors are nearest to that of the question."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.answers._faults import refuse
from serving.reading import Window
from serving.text import CleanText


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when there is no index, or not of as many answers as there are."""
    index: Any = settings.get("index")
    candidates: Any = settings.get("candidates")
    top = settings.get("top")
    is_index = isinstance(index, np.ndarray) and index.ndim == 2 and index.dtype == np.float32
    is_list = isinstance(candidates, list) and all(isinstance(text, str) for text in candidates) and bool(candidates)
    faults = [
        None if is_index else "`index` must be an array of float32 with a row for each answer",
        None if is_list else "`candidates` must be the texts of the answers",
        None if isinstance(top, int) and top >= 1 else "`top` must be a number from 1",
    ]
    if is_index and is_list and len(index) != len(candidates):
        faults.append(f"`index` has {len(index)} rows, `candidates` {len(candidates)} texts")
    refuse(faults)


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"answer", "confidence", "candidates"}: the best one, and the `top` best with their cosines, the best first.

    A cosine is no probability, so that there is no confidence.
    A question of several windows is asked by its first, as in training. Of equally near ones the first stands first.
    """
    cosines = settings["index"] @ outputs[0].astype(np.float32)
    order = np.argsort(-cosines, kind="stable")[: settings["top"]].tolist()
    found = [{"answer": settings["candidates"][place], "score": float(cosines[place])} for place in order]
    return {"answer": found[0]["answer"], "confidence": None, "candidates": found}


def word(answer: dict[str, Any]) -> str:
    """The text of the best answer."""
    return str(answer["answer"])
