"""The answer to a question, as a span of the context (the second text), or that the context holds none."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from serving.answers._faults import is_number, refuse
from serving.answers._pieces import shown, stretches, tokens_of
from serving.answers._probabilities import softmax
from serving.reading import Window
from serving.text import CleanText

_CONTEXT = 1


class _Span(NamedTuple):
    """A span of the context: its score, the places of its first and last token, and of which window."""

    score: float
    first: int
    last: int
    window: int


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when it is not said how long an answer may be, and when there is none."""
    longest, may_lack = settings.get("max_answer_tokens"), settings.get("no_answer")
    has_threshold = may_lack is False or is_number(settings.get("no_answer_threshold"))
    refuse(
        [
            None if isinstance(longest, int) and longest >= 1 else "`max_answer_tokens` must be a number from 1",
            None if isinstance(may_lack, bool) else "`no_answer` must be true or false",
            None if has_threshold else "`no_answer_threshold` must be a number",
        ]
    )


def _best_of(output: np.ndarray, window: Window, number: int, longest: int) -> _Span | None:
    """The span of one window with the highest sum of start and end; None when it holds no context."""
    tokens = tokens_of(window, _CONTEXT)
    if not len(tokens):
        return None
    starts, ends = output[tokens].astype(np.float64).T
    parts = stretches(window.word_of[tokens])
    best = _Span(-np.inf, 0, 0, number)
    for more in range(min(longest, len(tokens))):
        sums = starts[: len(tokens) - more] + ends[more:]
        sums = np.where(parts[: len(tokens) - more] == parts[more:], sums, -np.inf)
        place = int(sums.argmax())
        if sums[place] > best.score:
            best = _Span(float(sums[place]), int(tokens[place]), int(tokens[place + more]), number)
    return best


def _best_span(outputs: Sequence[np.ndarray], windows: Sequence[Window], longest: int) -> _Span | None:
    """The best span of all windows, of equal ones the first; None when no token of the context was read."""
    pairs = zip(outputs, windows, strict=True)
    found = [_best_of(output, window, number, longest) for number, (output, window) in enumerate(pairs)]
    return max((span for span in found if span), key=lambda span: span.score, default=None)


def _probability(
    outputs: Sequence[np.ndarray],
    windows: Sequence[Window],
    null: int | None,
    first: tuple[int, int],
    last: tuple[int, int],
) -> float:
    """That an answer starts, and ends, where it does, among all tokens of the context in all windows.

    Args:
        null: the window whose first token stands for "no answer" and is among them, or None where there always is one.
        first, last: window and place of the tokens at which the answer starts and ends.
    """
    places = [(number, int(token)) for number, window in enumerate(windows) for token in tokens_of(window, _CONTEXT)]
    if null is not None:
        places.append((null, 0))
    starts, ends = softmax(np.array([outputs[number][token] for number, token in places]).T)
    return float(starts[places.index(first)] * ends[places.index(last)])


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"answer", "start", "end", "confidence", "margin"}: the best span of all windows, in the user's own context.

    `margin`: by how much its score exceeds that of "no answer", the lowest of the windows' first tokens. Where no
    answer is allowed for and the margin is below `no_answer_threshold`, the answer is "" without a place.

    Source: Rajpurkar et al. 2018, Know What You Don't Know (SQuAD 2.0), and the scoring of BERT's run_squad.py
    """
    nulls = [float(output[0].astype(np.float64).sum()) for output in outputs]
    null = int(np.argmin(nulls))
    best = _best_span(outputs, windows, settings["max_answer_tokens"])
    if best is None:
        return {"answer": "", "start": None, "end": None, "confidence": None, "margin": 0.0}
    margin = best.score - nulls[null]
    among = null if settings["no_answer"] else None
    if settings["no_answer"] and margin < settings["no_answer_threshold"]:
        confidence = _probability(outputs, windows, among, (null, 0), (null, 0))
        return {"answer": "", "start": None, "end": None, "confidence": confidence, "margin": margin}
    confidence = _probability(outputs, windows, among, (best.window, best.first), (best.window, best.last))
    places = windows[best.window].offsets
    start, end, text = shown(texts[_CONTEXT], int(places[best.first][0]), int(places[best.last][1]))
    return {"answer": text, "start": start, "end": end, "confidence": confidence, "margin": margin}


def word(answer: dict[str, Any]) -> str:
    """The answer's text."""
    return str(answer["answer"])
