"""A text that the model writes: a translation, a summary, a continuation."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from serving.answers._faults import is_number, refuse
from serving.reading import Window
from serving.text import CleanText, clean

_NEEDED = ("beams", "max_new_tokens", "length_penalty", "no_repeat_ngram")


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when it is not said how the model writes."""
    writes: Any = settings.get("writes")
    if not isinstance(writes, dict) or not all(is_number(writes.get(name)) for name in _NEEDED):
        refuse([f"`writes` must be an object with {', '.join(_NEEDED)}"])
    assert isinstance(writes, dict)
    if not all(isinstance(writes.get(name), list) for name in ("ends", "never")):
        refuse(["`writes.ends` and `writes.never` must be ids of tokens"])
    if writes.get("kind") not in ("seq2seq", "causal_lm"):
        refuse(["`writes.kind` must be seq2seq or causal_lm"])


def spelt(ids: Sequence[int], settings: dict[str, Any]) -> str:
    """The text of the tokens, clean as the texts are that the model learnt from."""
    return clean(settings["tokenizer"].decode(list(map(int, ids)), skip_special_tokens=True))


def pieces(ids: Iterable[int], settings: dict[str, Any]) -> Iterator[str]:
    """What each token adds to the text, as soon as it is whole: a character may take several tokens."""
    so_far: list[int] = []
    shown = text = ""
    for number in ids:
        so_far.append(number)
        text = spelt(so_far, settings)
        if text.startswith(shown) and not text.endswith("\ufffd") and text != shown:
            yield text[len(shown) :]
            shown = text
    if text.startswith(shown) and text != shown:
        yield text[len(shown) :]


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"written", "confidence", "complete"}: what is written, and whether it ended before the longest allowed.

    A text has no confidence; it is None.
    """
    ids = outputs[0].tolist()
    return {
        "written": spelt(ids, settings),
        "confidence": None,
        "complete": len(ids) < settings["writes"]["max_new_tokens"],
    }


def word(answer: dict[str, Any]) -> str:
    """The text."""
    return str(answer["written"])
