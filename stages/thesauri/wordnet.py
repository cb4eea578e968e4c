"""Synonyms from WordNet, by part of speech: the words that share a word's usual meaning, in the same form.

A word is replaced only where the choice is safe: its part of speech is clear, the other word means the same in most
uses of both, and the neighbours make no set phrase of it. What is usual, WordNet's counts of tagged texts say.

Source: Fellbaum 1998, WordNet, an electronic lexical database, https://wordnet.princeton.edu
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.shared.errors import MachineError
from stages.shared.sections import Choice
from stages.thesauri import Thesaurus
from stages.thesauri._english_forms import inflect, lemmas_of
from stages.thesauri._english_words import BEFORE_BASE_VERBS, LEFT_ALONE, PARTICLES, PARTS_AFTER
from stages.thesauri._wordnet_database import FILES, PARTS, Database

_CLEAR_PART = 0.8  # fraction of a word's tagged uses from which its part of speech is clear
_SHARED_USES = 0.55  # fraction of the tagged uses of two words in which they mean the same
_EVIDENCE = 5  # tagged uses from which that fraction says something
_UNSEEN = 0.25  # uses that each other meaning is taken to have beyond the tagged ones
_KNOWN = 3  # tagged uses in that meaning from which a word is no rarity

_TELLING = frozenset({"to"}).union(BEFORE_BASE_VERBS, *(words for words, _ in PARTS_AFTER))  # of what comes after them
_MOST_SENSES = 14  # a lemma with more of them means what stands around it: break, keep, run


class Params(Choice):
    name: Literal["wordnet"]
    folder: str = Field(min_length=1)


def check(params: Params) -> None:
    """Raise MachineError when a file of the database is missing."""
    missing = [name for name in FILES if not (Path(params.folder) / name).is_file()]
    if missing:
        raise MachineError(
            f"augment.synonyms.thesaurus.folder: '{params.folder}' lacks WordNet's {', '.join(missing)}. Install "
            f"Debian's package `wordnet-base`, name the folder that holds WordNet 3, "
            f"or set augment.synonyms.copies to 0."
        )


def open_thesaurus(params: Params) -> Thesaurus:
    """WordNet, read into memory.

    Raises:
        MachineError: a file of it is missing.
    """
    check(params)
    return WordNet(Database(Path(params.folder)))


class WordNet:
    """The synonyms of a WordNet database, each found once; see `stages.thesauri.Thesaurus`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.synonyms_of_lemma = lru_cache(maxsize=None)(self._synonyms_of_lemma)
        self._reading = lru_cache(maxsize=None)(self._reading_after)
        self.knows = lru_cache(maxsize=None)(self._has_like)
        self._like = lru_cache(maxsize=None)(self._words_like)

    def synonyms(self, word: str, before: str | None, after: str | None) -> list[str]:
        """Other words for `word` in the same form, the most used first; empty when it is better left alone."""
        if not self.knows(word):
            return []
        found = self._like(word, before if before in _TELLING else None)
        if not found or self._is_in_phrase(word, before, after):
            return []
        return [other for other in found if _fits_article(before, word, other)]

    def _has_like(self, word: str) -> bool:
        """Whether a word has synonyms as any part of speech."""
        if word in LEFT_ALONE or len(word) < 3 or not (word.isascii() and word.isalpha()):
            return False
        lemmas = ((lemma, part) for part in PARTS for lemma, _ in lemmas_of(word, part, self._database))
        return any(self.synonyms_of_lemma(lemma, part) for lemma, part in lemmas)

    def _words_like(self, word: str, before: str | None) -> tuple[str, ...]:
        """Other words for `word` in the same form, whatever else stands around it but a telling word before it."""
        reading = self._reading(word, before)
        if reading is None:
            return ()
        part, lemma, form = reading
        found = (inflect(synonym, part, form, self._database) for synonym in self.synonyms_of_lemma(lemma, part))
        return tuple(other for other in found if other and other != word)

    def _reading_after(self, word: str, before: str | None) -> tuple[str, str, str] | None:
        """The part of speech, lemma and form that a word clearly has here, or None."""
        allowed = next((parts for words, parts in PARTS_AFTER if before in words), PARTS)
        readings = {
            (part, lemma, form): self._database.uses(lemma, part)
            for part in allowed
            for lemma, form in lemmas_of(word, part, self._database)
            if form == "base" or part != "verb" or before not in BEFORE_BASE_VERBS | {"to"}
        }
        if not readings:
            return None
        best = max(readings, key=lambda reading: readings[reading])
        if len(readings) > 1 and readings[best] < _CLEAR_PART * sum(readings.values()):
            return None
        return best if readings[best] or len(readings) == 1 else None

    def _is_in_phrase(self, word: str, before: str | None, after: str | None) -> bool:
        """Whether the neighbours change what a word means: phrasal verbs, compound nouns, entries of two words."""
        reading = self._reading(word, before if before in _TELLING else None)
        assert reading is not None
        part, lemma, _ = reading
        if part == "verb" and after in PARTICLES:
            return True
        if part == "noun" and (self._is_noun(before) or self._is_noun(after)):
            return True
        pairs = [f"{before}_{word}", f"{before}_{lemma}"]
        if after != "it":  # slang: to buy it, to make it
            pairs += [f"{word}_{after}", f"{lemma}_{after}"]
        return any(map(self._database.has_phrase, pairs))

    def _is_noun(self, word: str | None) -> bool:
        if word is None or word in LEFT_ALONE:
            return False
        reading = self._reading(word, None)
        return reading is not None and reading[0] == "noun"

    def _synonyms_of_lemma(self, lemma: str, part: str) -> tuple[str, ...]:
        """The lemmas that mean the same in most uses of both, the most interchangeable first."""
        senses = self._database.senses(lemma, part)
        if len(senses) > _MOST_SENSES:
            return ()
        shares = {}
        for word in {word for sense in senses for word in sense.words}:
            if _is_another_word(word, lemma):
                shares[word] = self._shared_uses(lemma, word, part)
        fitting = [word for word, share in shares.items() if share >= _SHARED_USES]
        opposites = self._database.opposites(lemma, part) if fitting else frozenset()
        return tuple(
            sorted(
                set(fitting) - opposites,
                key=lambda word: (-round(shares[word], 1), -self._database.uses(word, part), word),
            )
        )

    def _shared_uses(self, lemma: str, word: str, part: str) -> float:
        """The fraction of their tagged uses in which two lemmas mean the same: of the one or the other, the smaller."""
        senses = {sense.offset: sense.uses for sense in self._database.senses(lemma, part) if lemma in sense.words}
        others = {sense.offset: sense.uses for sense in self._database.senses(word, part)}
        if sum(uses for offset, uses in others.items() if offset in senses) < _KNOWN:
            return 0.0
        return min(_share(senses, others), _share(others, senses))


def _share(senses: dict[str, int], others: dict[str, int]) -> float:
    """The fraction of a lemma's uses whose meaning another lemma has too; 0 where too few are tagged to say."""
    if len(senses) == 1:
        return 1.0
    total = sum(senses.values())
    shared = [uses for offset, uses in senses.items() if offset in others]
    return sum(shared) / (total + _UNSEEN * (len(senses) - len(shared))) if total >= _EVIDENCE else 0.0


def _is_another_word(word: str, lemma: str) -> bool:
    """Whether a word is a plain one, and more than an abbreviation, a derivation or another spelling of the lemma."""
    if not word.isalpha() or not word.islower() or word in LEFT_ALONE or not set(word) & set("aeiouy"):
        return False
    shorter, longer = sorted((word, lemma), key=len)
    return not (longer.startswith(shorter[:-1]) and (len(longer) - len(shorter) <= 4 or len(shorter) <= 3))


def _fits_article(before: str | None, word: str, other: str) -> bool:
    """Whether `a` or `an` before a word is right before the other too."""
    if before not in ("a", "an") or word[0] == other[0]:
        return True
    unclear = other[0] in "hu" or other.startswith(("eu", "one")) or word[0] in "hu"
    return not unclear and (word[0] in "aeio") == (other[0] in "aeio")
