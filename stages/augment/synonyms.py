"""Copies in which some words are replaced by synonyms; words that may carry the answer, names and numbers stay."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.augment.copies import WORD, Copy, copy_of, random_of
from stages.shared import plugins
from stages.shared.examples import Example
from stages.shared.params import Params
from stages.shared.progress import Progress
from stages.tasks import Task
from stages.thesauri import Thesaurus

_NO_PROSE = re.compile(r"[@#/\\_=<>{}|~^*\d]|\w\.\w")  # in an address, a tag, a code, a number with its unit
_SENTENCE_ENDS = (".", "!", "?", "…")
_BEFORE_SENTENCE = " \"'“”‘’(["
_WEIGHTS = (4, 2, 1)  # of the best, the second and the third synonym


@dataclass(frozen=True)
class Place:
    """A word that may be replaced: of which text, from which character to which, by what."""

    text: int
    start: int
    end: int
    choices: list[str]


def with_synonyms(train: Any, task: Task, params: Params) -> Iterator[tuple[Example, Copy]]:
    """Each training row with each of its copies, as many as the parameters say."""
    chosen = params.augment.synonyms
    if not chosen.copies:
        return
    thesaurus = plugins.load("thesauri", chosen.thesaurus.name).open_thesaurus(chosen.thesaurus)
    protected = task.protected_words()
    with Progress("synonyms", len(train)) as progress:
        for example in train:
            texts = task.texts(example)
            places = [p for i, text in enumerate(texts) for p in replaceable(i, text, thesaurus, protected)]
            words = sum(len(WORD.findall(text)) for text in texts)
            for number in range(1, chosen.copies + 1):
                randomness = random_of(params.seed, example, f"synonyms {number}")
                picked = pick(places, chosen.rate, randomness)
                made = copy_of(
                    example,
                    task,
                    replaced(texts, picked, randomness),
                    f"syn{number}",
                    f"synonyms:{chosen.thesaurus.name}",
                )
                yield example, Copy(made, len(picked) / max(words, 1), None if picked else "nothing_to_replace")
            progress.advance(1)


def replaceable(number: int, text: str, thesaurus: Thesaurus, protected: frozenset[str]) -> list[Place]:
    """The words of a text for which the thesaurus has another, and that may be replaced."""
    words = list(WORD.finditer(text))
    places = []
    for index, match in enumerate(words):
        word = match.group()
        if word.lower() in protected or not _may_change(text, match):
            continue
        before, after = _neighbours(text, words, index)
        choices = thesaurus.synonyms(word.lower(), before, after)[: len(_WEIGHTS)]
        choices = [choice for choice in choices if choice not in protected]
        if choices:
            cased = [choice if word.islower() else choice.capitalize() for choice in choices]
            places.append(Place(number, match.start(), match.end(), cased))
    return places


def pick(places: list[Place], rate: float, randomness: random.Random) -> list[Place]:
    """That fraction of the places, at least one where there is one, in the order of the text."""
    count = min(len(places), max(1, round(rate * len(places))))
    return [places[i] for i in sorted(randomness.sample(range(len(places)), count))]


def replaced(texts: tuple[str, ...], places: list[Place], randomness: random.Random) -> tuple[str, ...]:
    """The texts with a synonym at each place: mostly the best one."""
    changed = list(texts)
    choices = [randomness.choices(p.choices, _WEIGHTS[: len(p.choices)])[0] for p in places]
    for place, choice in reversed(list(zip(places, choices, strict=True))):  # from the end, so that places keep true
        text = changed[place.text]
        changed[place.text] = text[: place.start] + choice + text[place.end :]
    return tuple(changed)


def _may_change(text: str, match: re.Match[str]) -> bool:
    """Whether a word is ordinary prose: no name, no shouting, no part of an address, a tag or a measure."""
    word = match.group()
    opening = text[: match.start()].rstrip(_BEFORE_SENTENCE)
    begins_sentence = not opening or opening.endswith(_SENTENCE_ENDS)
    if not word.islower() and not (begins_sentence and word.istitle()):
        return False
    start = text.rfind(" ", 0, match.start()) + 1
    end = text.find(" ", match.end())
    return not _NO_PROSE.search(text[start : end if end >= 0 else len(text)])


def _neighbours(text: str, words: list[re.Match[str]], index: int) -> tuple[str | None, str | None]:
    """The words before and after a word, in lower case; None where more than a space parts them."""
    before, after = None, None
    if index and text[words[index - 1].end() : words[index].start()] == " ":
        before = words[index - 1].group().lower().replace("’", "'")
    if index + 1 < len(words) and text[words[index].end() : words[index + 1].start()] == " ":
        after = words[index + 1].group().lower().replace("’", "'")
    return before, after
