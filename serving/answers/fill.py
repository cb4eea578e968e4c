"""The likeliest words for each mask in a text, such as `The film was [MASK].`

What is kept of the model's output is small: for each mask the likeliest tokens and their log probabilities.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from serving.answers._faults import refuse
from serving.answers._pieces import shown
from serving.answers._probabilities import log_softmax
from serving.errors import TextRefused
from serving.reading import Window
from serving.text import CleanText

TOP = 5  # words that are named for each mask


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when it is not said what a mask is."""
    mask = settings.get("mask")
    refuse([None if isinstance(mask, str) and mask else "`mask` must be the word that stands for a hidden one"])


def masks_of(window: Window, settings: dict[str, Any]) -> np.ndarray:
    """The places of the masks in a window."""
    return np.flatnonzero(np.array(window.ids) == settings["tokenizer"].token_to_id(settings["mask"]))


def kept(output: np.ndarray, window: Window, settings: dict[str, Any]) -> np.ndarray:
    """For each mask the ids of the likeliest tokens, then their log probabilities, float32 (masks, 2 * TOP).

    Args:
        output: logits of the words of the tokenizer, (tokens, words).
        window: what was read.
        settings: with the "tokenizer".
    """
    rows = log_softmax(np.asarray(output)[masks_of(window, settings)])
    best = np.argsort(-rows, axis=1, kind="stable")[:, :TOP]
    return np.concatenate([best, np.take_along_axis(rows, best, axis=1)], axis=1).astype(np.float32)


def spelt(token: int, tokenizer: Tokenizer) -> str:
    """A token as a reader knows it; a special one by its name."""
    return tokenizer.decode([token]).strip() or str(tokenizer.id_to_token(token))


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"filled": [{"start", "end", "words": [{"word", "confidence"}]}], "confidence"}, in the order of the text.

    An answer is as sure as the least sure of its masks.

    Args:
        outputs: as `kept` gives them.
        windows, texts, settings: see the contract.

    Raises:
        TextRefused: there is no mask in the text, or none in what was read of it.
    """
    (window,), (output,) = windows, outputs
    places = masks_of(window, settings)
    if not len(places) and (window.text_of >= 0).any():
        raise TextRefused(f"there is no {settings['mask']} in the text: write it where a word is to be found")
    filled: list[dict[str, Any]] = []
    for place, row in zip(places.tolist(), output, strict=True):
        start, end, _ = shown(texts[0], *window.offsets[place].tolist())
        ids, sureness = row[:TOP].astype(int).tolist(), np.exp(row[TOP:].astype(np.float64)).tolist()
        words = [
            {"word": spelt(number, settings["tokenizer"]), "confidence": sure}
            for number, sure in zip(ids, sureness, strict=True)
        ]
        filled.append({"start": start, "end": end, "words": words})
    least = min((one["words"][0]["confidence"] for one in filled), default=None)
    return {"filled": filled, "confidence": least}


def word(answer: dict[str, Any]) -> str:
    """The likeliest word for each mask, as a list."""
    return json.dumps([one["words"][0]["word"] for one in answer["filled"]], ensure_ascii=False)
