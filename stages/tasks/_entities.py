"""Entities: what is wrong with one, their line of text, and the tags of the words that a model reads."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serving.reading import Window
from stages.shared.errors import quoted
from stages.shared.plugins import nearest
from stages.tasks import Span

Entity: TypeAlias = tuple[int, int, str]  # start, end (excluded) and type
IGNORED = -100


def entities_of(given: Iterable[Mapping[str, Any]]) -> list[Entity]:
    """The entities of an example, in the order of the text."""
    return sorted((entity["start"], entity["end"], entity["label"]) for entity in given)


def line_of(entities: Iterable[Entity]) -> str:
    """Entities in one line, as a server says them: `[[0, 5, "PER"]]`."""
    return json.dumps([list(entity) for entity in entities], ensure_ascii=False)


def entities_from(line: str) -> list[Entity]:
    """The entities of such a line."""
    return [(start, end, label) for start, end, label in json.loads(line)]


def tags_of(labels: Iterable[str]) -> list[str]:
    """The tags of the types: "O", then "B-X" for the first word of an entity and "I-X" for the rest (IOB2)."""
    return ["O", *(f"{part}-{label}" for label in labels for part in "BI")]


def entity_faults(text: str, given: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> str | None:
    """Everything that is wrong with the entities of a text, each with its place, or None."""
    found = [
        f"entities[{place}]: {fault}"
        for place, entity in enumerate(given)
        for fault in [*_faults_of(text, entity, labels)] or _overlaps(place, given)
    ]
    return "; ".join(found) or None


def _faults_of(text: str, entity: Mapping[str, Any], labels: Sequence[str]) -> Iterable[str]:
    start, end, label = entity["start"], entity["end"], entity["label"]
    if start is None or end is None:
        yield f"start is {start} and end is {end}: both must be positions in the text"
    elif not 0 <= start <= end <= len(text):
        yield f"{start} to {end} is not a span of the text, which has {len(text)} characters"
    elif start == end:
        yield f"{start} to {end} is empty"
    elif text[start].isspace() or text[end - 1].isspace():
        yield f"{start} to {end} begins or ends with white space"
    if label not in labels:
        known = f"label {quoted(label)} is not in task.labels [{', '.join(labels)}]"
        yield f"{known}.{nearest(label, list(labels))}" if label else "no label"


def _overlaps(place: int, given: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """The overlaps of an entity with those before it, which are the same pairs as with those after it."""
    start, end = given[place]["start"], given[place]["end"]
    for earlier, entity in enumerate(given[:place]):
        if None not in (entity["start"], entity["end"]) and start < entity["end"] and entity["start"] < end:
            yield f"{start} to {end} overlaps entities[{earlier}], {entity['start']} to {entity['end']}"


def expected_tags(
    entities: Sequence[Entity], windows: Sequence[Window], index: Mapping[str, int]
) -> list[npt.NDArray[np.int64]]:
    """The index of its word's tag for the first token of each word in each window, IGNORED for every other token.

    Args:
        entities: in the order of the text; they do not overlap.
        windows: what is read of the text.
        index: number of each tag.

    Returns:
        For each window an array of shape (tokens,).
    """
    tag_of = _tags_of_words(entities, _word_spans(windows), index)
    found = []
    for window in windows:
        tags = np.full(len(window.ids), IGNORED, dtype=np.int64)
        words, firsts = np.unique(np.where(_is_of_word(window), window.word_of, -1), return_index=True)
        for word, first in zip(words.tolist(), firsts.tolist(), strict=True):
            if word >= 0:
                tags[first] = tag_of[word]
        found.append(tags)
    return found


def _is_of_word(window: Window) -> npt.NDArray[np.bool_]:
    return np.asarray((window.text_of == 0) & (window.word_of >= 0))


def _word_spans(windows: Sequence[Window]) -> dict[int, Span]:
    """Start and end of each word that is read, by its number, in order; a long word may lie in two windows."""
    spans: dict[int, Span] = {}
    for window in windows:
        own = _is_of_word(window)
        for word, (start, end) in zip(window.word_of[own].tolist(), window.offsets[own].tolist(), strict=True):
            low, high = spans.get(word, (start, end))
            spans[word] = (min(low, start), max(high, end))
    return dict(sorted(spans.items()))


def _tags_of_words(entities: Sequence[Entity], words: Mapping[int, Span], index: Mapping[str, int]) -> dict[int, int]:
    """The tag of each word: that of the first entity it overlaps, B- for the entity's first word, I- for the rest.

    An entity whose first words are cut away, as from the middle of a long text, has I- alone.
    """
    ends = [end for _, end, _ in entities]
    found: dict[int, int] = {}
    begun = -1
    for word, (start, end) in words.items():
        place = bisect_right(ends, start)
        if place == len(entities) or entities[place][0] >= end:
            found[word] = index["O"]
            continue
        is_cut = start > entities[place][0] and word > 0 and word - 1 not in words
        found[word] = index[f"{'I' if place == begun or is_cut else 'B'}-{entities[place][2]}"]
        begun = place
    return found
