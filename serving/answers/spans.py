"""Spans of the text, each with a label, such as the names in it: one tag for each word, `O`, `B-X` or `I-X` (IOB2).

The tag of a word is that of its first token, in the window in which that lies farthest from where the window was cut.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from serving.answers._faults import fault_of_words, refuse
from serving.answers._pieces import shown, stretches, tokens_of
from serving.answers._probabilities import log_softmax
from serving.reading import Window
from serving.text import CleanText

_UNCUT = 1 << 30  # a distance in tokens: on that side the window ends where the text does


def check(settings: dict[str, Any]) -> None:
    """Raise BundleDamaged when the tags are none of IOB2."""
    fault = fault_of_words(settings, "tags", 1)
    tags = [] if fault else settings["tags"]
    strange = [tag for tag in tags if tag != "O" and tag[:2] not in ("B-", "I-")]
    lone = [tag for tag in tags if tag[:2] == "I-" and f"B-{tag[2:]}" not in tags]
    refuse(
        [
            fault,
            f"`tags`: {', '.join(strange)} are none of O, B-... and I-..." if strange else None,
            f"`tags`: {', '.join(lone)} without the B- that begins it" if lone else None,
            None if fault or "O" in tags else "`tags`: there is no O",
        ]
    )


class _Word(NamedTuple):
    """A word as a window has it.

    Attributes:
        number: in the text.
        start, end: its span of the clean text.
        distance: of its first token from where the window was cut, in tokens.
        scores: logits of the tags, shape (tags,).
    """

    number: int
    start: int
    end: int
    distance: int
    scores: np.ndarray


def _words_of(output: np.ndarray, window: Window, is_first: bool, is_last: bool) -> Iterator[_Word]:
    """The words of a window; the first one is not cut before its words, the last not after them."""
    tokens = tokens_of(window, 0)
    found = np.unique(window.word_of[tokens], return_index=True, return_counts=True)
    for word, first, count in zip(*(column.tolist() for column in found), strict=True):
        before = _UNCUT if is_first else first
        after = _UNCUT if is_last else len(tokens) - 1 - first
        (start, _), (_, end) = window.offsets[tokens[[first, first + count - 1]]].tolist()
        yield _Word(word, start, end, min(before, after), output[tokens[first]])


def _words_read(outputs: Sequence[np.ndarray], windows: Sequence[Window]) -> list[_Word]:
    """The words of all windows, in order, each as it is farthest from a cut; a long one may lie in two windows."""
    found: dict[int, _Word] = {}
    for number, (output, window) in enumerate(zip(outputs, windows, strict=True)):
        for word in _words_of(output, window, number == 0, number == len(windows) - 1):
            known = found.get(word.number, word)
            best = word if word.distance > known.distance else known
            start, end = min(word.start, known.start), max(word.end, known.end)
            found[word.number] = best._replace(start=start, end=end)
    return [found[number] for number in sorted(found)]


@lru_cache
def _may_follow(tags: tuple[str, ...]) -> np.ndarray:
    """Whether the tag of the column may come after that of the row, shape (tags, tags): I-X only after B-X and I-X."""
    return np.array([[tag[:2] != "I-" or before[1:] == tag[1:] for tag in tags] for before in tags])


def best_tags(scores: np.ndarray, may_follow: np.ndarray, may_start: np.ndarray) -> list[int]:
    """The likeliest row of tags in which each may follow the one before.

    Args:
        scores: logarithms of the tags' probabilities, shape (words, tags).
        may_follow: shape (tags, tags), the tag before in the rows.
        may_start: shape (tags,).

    Source: Viterbi 1967, Error bounds for convolutional codes
    """
    likeliest = scores.argmax(axis=1)
    if may_start[likeliest[0]] and may_follow[likeliest[:-1], likeliest[1:]].all():
        return [int(tag) for tag in likeliest]
    steps = np.where(may_follow, 0.0, -np.inf)
    total = np.where(may_start, scores[0], -np.inf)
    came_from = []
    for row in scores[1:]:
        paths = total[:, None] + steps
        came_from.append(paths.argmax(axis=0))
        total = paths.max(axis=0) + row
    tags = [int(total.argmax())]
    for before in reversed(came_from):
        tags.append(int(before[tags[-1]]))
    return tags[::-1]


def _rows(words: Sequence[_Word]) -> list[list[int]]:
    """The places of the words in unbroken rows: what was not read in the middle parts one row from the next."""
    parts = stretches(np.array([word.number for word in words]))
    return [np.flatnonzero(parts == part).tolist() for part in np.unique(parts)]


def _tags_of(words: Sequence[_Word], scores: np.ndarray, tags: list[str]) -> list[str]:
    """The tag of each word of an unbroken row."""
    may_start = np.array([tag[:2] != "I-" or words[0].number > 0 for tag in tags])  # what begins it may be unread
    return [tags[number] for number in best_tags(scores, _may_follow(tuple(tags)), may_start)]


def _runs(tags: Sequence[str]) -> list[tuple[int, int]]:
    """The first and the last word of each entity of an unbroken row."""
    runs: list[tuple[int, int]] = []
    for place, tag in enumerate(tags):
        if tag != "O" and (tag[:2] == "B-" or place == 0):
            runs.append((place, place))
        elif tag != "O":
            runs[-1] = runs[-1][0], place
    return runs


def answer(
    outputs: Sequence[np.ndarray], windows: Sequence[Window], texts: Sequence[CleanText], settings: dict[str, Any]
) -> dict[str, Any]:
    """{"entities": [{"start", "end", "label", "text", "confidence"}], "confidence"}, in the order of the text.

    An entity is as sure as the least sure of its words, and the answer as the least sure entity; one without
    entities as the word that is least surely outside of one, and None when no word was read.
    """
    words = _words_read(outputs, windows)
    entities: list[dict[str, Any]] = []
    sureness: list[float] = []
    for row in _rows(words):
        scores = log_softmax(np.array([words[place].scores for place in row]))
        tags = _tags_of([words[place] for place in row], scores, settings["tags"])
        sure = [float(np.exp(of_word[settings["tags"].index(tag)])) for of_word, tag in zip(scores, tags, strict=True)]
        sureness += sure
        for first, last in _runs(tags):
            start, end, text = shown(texts[0], words[row[first]].start, words[row[last]].end)
            entity = {"start": start, "end": end, "label": tags[first][2:], "text": text}
            entities.append({**entity, "confidence": min(sure[first : last + 1])})
    least = min((entity["confidence"] for entity in entities), default=min(sureness, default=None))
    return {"entities": entities, "confidence": least}


def word(answer: dict[str, Any]) -> str:
    """The entities as `[[0, 5, "PER"]]`."""
    entities = sorted([entity["start"], entity["end"], entity["label"]] for entity in answer["entities"])
    return json.dumps(entities, ensure_ascii=False)
