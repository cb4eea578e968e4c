"""Answers as spans of a context: what is wrong with them, where they lie after a change, which tokens they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serving.reading import Window
from stages.tasks import Move, Span

Answer: TypeAlias = dict[str, Any]  # {"text", "start"}: what it says, and at which character of the context it begins

_PLACES = 3  # places where it really stands that are named


def stands(answer: Answer, context: str) -> bool:
    """Whether the answer's text is what the context has at its start."""
    text, start = answer["text"], answer["start"]
    return bool(text and text.strip()) and start is not None and start >= 0 and context.startswith(text, start)


def answer_faults(answers: Sequence[Answer], context: str) -> str | None:
    """Every answer that does not stand where it says, with where it does, equal ones together; None if all stand."""
    found: dict[str, list[str]] = {}
    for place, answer in enumerate(answers):
        if not stands(answer, context):
            found.setdefault(_fault(answer, context), []).append(f"answers[{place}]")
    return "; ".join(f"{', '.join(places)}: {fault}" for fault, places in found.items()) or None


def _fault(answer: Answer, context: str) -> str:
    text, start = answer["text"], answer["start"]
    if not text or not text.strip():
        return "no text"
    places = [str(place) for place, _ in zip(_places(text, context), range(_PLACES), strict=False)]
    where = f"they stand at {' and '.join(places)}" if places else "they stand nowhere in it"
    return f"{len(text)} characters do not stand at {start} of the context; {where}"


def _places(text: str, context: str) -> Iterator[int]:
    place = context.find(text)
    while place >= 0:
        yield place
        place = context.find(text, place + 1)


def moved_answers(answers: Sequence[Answer], context: str, changed: str, move: Move) -> list[Answer]:
    """The answers after the context has changed; what did not stand stays as it was, so that `answer_faults` names it.

    Args:
        context: as it was.
        changed: as it is now.
        move: where a position of the one lies in the other.
    """
    return [_moved(answer, changed, move) if stands(answer, context) else dict(answer) for answer in answers]


def _moved(answer: Answer, changed: str, move: Move) -> Answer:
    start, end = move(answer["start"]), move(answer["start"] + len(answer["text"]))
    return {**answer, "text": changed[start:end], "start": start}


def span_of(answer: Answer) -> Span:
    """Start and end of an answer, without the white space around it, of which no token is."""
    text, start = answer["text"], answer["start"]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def answer_tokens(answers: Sequence[Answer], window: Window) -> npt.NDArray[np.int64]:
    """First and last token of the first answer that lies wholly in a window of (question, context), shape (2,).

    [0, 0], the token before the question, where the window holds no answer. A token that an answer begins or ends in
    the middle of is taken whole.
    """
    tokens = np.flatnonzero(window.text_of == 1)
    if len(tokens):
        starts, ends = window.offsets[tokens].T
        for start, end in map(span_of, answers):
            touched = tokens[(starts < end) & (ends > start)]
            if starts[0] <= start and end <= ends[-1] and len(touched):
                return np.array([touched[0], touched[-1]])
    return np.zeros(2, dtype=np.int64)
