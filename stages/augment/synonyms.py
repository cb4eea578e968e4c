"""Copies in which some words are replaced by synonyms; what carries the answer, names and numbers stay."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stages.augment.copies import WORD, Change, Copy, Edit, copy_of, edited, moved_by, overlaps, random_of
from stages.shared import plugins
from stages.shared.examples import Example
from stages.shared.params import Params
from stages.shared.progress import Progress
from stages.tasks import Span, Task, texts_of
from stages.thesauri import Thesaurus

_NO_PROSE = re.compile(r"[@#/\\_=<>{}|~^*\d]|\w\.\w")  # in an address, a tag, a code, a number with its unit
_SENTENCE_ENDS = (".", "!", "?", "…")
_BEFORE_SENTENCE = " \"'“”‘’(["
_WEIGHTS = (4, 2, 1)  # of the best, the second and the third synonym


@dataclass(frozen=True)
class Place:
    """A word that may be replaced: from which character to which, and by what."""

    start: int
    end: int
    choices: list[str]


def with_synonyms(train: Any, task: Task, params: Params) -> Iterator[tuple[Example, Copy]]:
    """Each training row with each of its copies, as many as the parameters say; a copy has one of its texts changed."""
    chosen = params.augment.synonyms
    if not chosen.copies:
        return
    thesaurus = plugins.load("thesauri", chosen.thesaurus.name).open_thesaurus(chosen.thesaurus)
    protected = task.protected_words()
    made_by = f"synonyms:{chosen.thesaurus.name}"
    with Progress("synonyms", len(train)) as progress:
        for example in train:
            texts, fixed = texts_of(task, example), task.fixed_spans(example)
            by_text = [replaceable(text, thesaurus, protected, spans) for text, spans in zip(texts, fixed, strict=True)]
            words = sum(len(WORD.findall(text)) for text in texts)
            for number in range(1, chosen.copies + 1):
                purpose = f"synonyms {number}"
                which = _chosen_text(by_text, partial(random_of, params.seed, example, f"{purpose} text"))
                edits = picked(by_text[which], chosen.rate, random_of(params.seed, example, purpose))
                change = Change(which, edited(texts[which], edits), moved_by(edits))
                made = copy_of(example, task, change, f"syn{number}", made_by)
                yield example, Copy(made, len(edits) / max(words, 1), None if edits else "nothing_to_replace")
            progress.advance(1)


def _chosen_text(by_text: list[list[Place]], randomness: Callable[[], random.Random]) -> int:
    """One of the texts that have places, by its number; the first where none has."""
    numbers = [number for number, places in enumerate(by_text) if places] or [0]
    return numbers[0] if len(numbers) == 1 else randomness().choice(numbers)


def replaceable(text: str, thesaurus: Thesaurus, protected: frozenset[str], fixed: Sequence[Span]) -> list[Place]:
    """The words of a text for which the thesaurus has another, and that may be replaced: none that touches `fixed`."""
    words = list(WORD.finditer(text))
    is_prose = _NO_PROSE.search(text) is None
    places = []
    for index, match in enumerate(words):
        word = match.group()
        small = word.lower()
        if not thesaurus.knows(small) or small in protected:
            continue
        start, end = match.span()
        if word != small and not _begins_sentence(text, word, start):
            continue
        choices = thesaurus.synonyms(small, *_neighbours(text, words, index))[: len(_WEIGHTS)]
        choices = [choice for choice in choices if choice not in protected]
        if choices and not overlaps(start, end, fixed) and (is_prose or _is_prose(text, start, end)):
            cased = choices if word == small else [choice.capitalize() for choice in choices]
            places.append(Place(start, end, cased))
    return places


def picked(places: list[Place], rate: float, randomness: random.Random) -> list[Edit]:
    """A synonym, mostly the best, for that fraction of the places, at least one if there are any; in their order."""
    count = min(len(places), max(1, round(rate * len(places))))
    some = [places[i] for i in sorted(randomness.sample(range(len(places)), count))]
    choices = [randomness.choices(place.choices, _WEIGHTS[: len(place.choices)])[0] for place in some]
    return [Edit(place.start, place.end, choice) for place, choice in zip(some, choices, strict=True)]


def _begins_sentence(text: str, word: str, start: int) -> bool:
    """Whether a word with capitals has but one, as the first word of a sentence: it is no name, no shouting."""
    opening = text[:start].rstrip(_BEFORE_SENTENCE)
    return (not opening or opening.endswith(_SENTENCE_ENDS)) and word.istitle()


def _is_prose(text: str, start: int, end: int) -> bool:
    """Whether what stands here between two spaces is no part of an address, a tag or a measure."""
    first = text.rfind(" ", 0, start) + 1
    last = text.find(" ", end)
    return not _NO_PROSE.search(text[first : last if last >= 0 else len(text)])


def _neighbours(text: str, words: list[re.Match[str]], index: int) -> tuple[str | None, str | None]:
    """The words before and after a word, in lower case; None where more than a space parts them."""
    before, after = None, None
    if index and text[words[index - 1].end() : words[index].start()] == " ":
        before = words[index - 1].group().lower().replace("’", "'")
    if index + 1 < len(words) and text[words[index].end() : words[index + 1].start()] == " ":
        after = words[index + 1].group().lower().replace("’", "'")
    return before, after
