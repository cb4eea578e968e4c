"""Copies that were translated into another language and back; what lost a negation or a number is dropped."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from serving.text import clean
from stages.augment.copies import WORD, Change, Copy, copy_of, random_of
from stages.shared import plugins
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.shared.progress import Progress
from stages.shared.translation_cache import TranslationCache
from stages.shared.workspace import state_folder
from stages.tasks import Task, texts_of

_PIECE = 256  # rows between two writes to the cache: what a killed run loses at most
_LONG_ENOUGH = 4  # letters from which a word that two languages share is likely to be left untranslated
_NUMBER = re.compile(r"\d+")
# Negations in any wording: a translation may turn `nobody` into `no one`, but not into `somebody`.
_NEGATION = re.compile(
    r"\b(?:no|not|none|nobody|nothing|nowhere|never|neither|nor|cannot|without|\w+n['’]t|"
    r"(?:do|does|did|is|are|was|were|wo|would|ca|could|should|has|have|had)nt)\b",
    re.IGNORECASE,
)


def back_translated(train: Any, task: Task, params: Params, timings: Metrics) -> Iterator[tuple[Example, Copy]]:
    """The chosen share of the training rows, each with its copy; how many translations were cached goes to timings."""
    chosen = params.augment.back_translation
    if not chosen.copies:
        return
    translator = plugins.load("translators", chosen.translator.name)
    engine = f"{translator.version(chosen.translator)} {chosen.translator.model_dump_json()}"
    made_by = f"back_translation:{translator.name(chosen.translator)}"
    rows = [row for row, example in enumerate(train) if is_chosen(example, chosen.share, params.seed)]
    with (
        closing(TranslationCache(state_folder("translations"), engine)) as cache,
        Progress("back-translation", len(rows)) as progress,
    ):
        for start in range(0, len(rows), _PIECE):
            parents = [train[row] for row in rows[start : start + _PIECE]]
            numbers = [chosen_text(parent, task, params.seed) for parent in parents]
            texts = [texts_of(task, parent)[number] for parent, number in zip(parents, numbers, strict=True)]
            middle, back = _there_and_back(texts, cache, translator, chosen.translator)
            for parent, number, text, between, new in zip(parents, numbers, texts, middle, back, strict=True):
                copy = copy_of(parent, task, Change(number, new, _nowhere), "bt", made_by)
                changed = 1 - kept_share(*("\n".join(texts_of(task, row)) for row in (parent, copy)))
                yield parent, Copy(copy, changed, fault_of(text, between, new, chosen.min_kept_share))
            progress.advance(len(parents))
    timings["back_translation.cached"] = float(cache.hits)
    timings["back_translation.translated"] = float(cache.misses)


def is_chosen(example: Example, share: float, seed: int) -> bool:
    """Whether a row is among the share that is translated; it does not depend on the other rows."""
    return random_of(seed, example, "back_translation").random() < share


def chosen_text(example: Example, task: Task, seed: int) -> int:
    """The number of the text of a row that is translated: one of those that may be paraphrased."""
    name = random_of(seed, example, "back_translation text").choice(task.paraphrased)
    return task.texts.index(name)


def _nowhere(position: int) -> int:
    raise RuntimeError(f"position {position} is asked of a text that was replaced as a whole")


def _there_and_back(
    texts: list[str], cache: TranslationCache, translator: Any, options: Any
) -> tuple[list[str], list[str]]:
    """The texts as they are in the other language, and when they have come back."""
    middle = cache.translated(texts, "there", lambda missing: translator.translate(missing, "there", options))
    back = cache.translated(middle, "back", lambda missing: translator.translate(missing, "back", options))
    return middle, [with_case_of(clean(new), old) for old, new in zip(texts, back, strict=True)]


def with_case_of(text: str, original: str) -> str:
    """The text, its words in capitals as in the original where that has them, else in small letters."""
    written = {match.group().lower(): match.group() for match in WORD.finditer(original)}

    def cased(match: re.Match[str]) -> str:
        word = match.group()
        if len(word) < 2 or not word.isupper() or original.isupper():
            return word
        known = written.get(word.lower())
        return known or (word.capitalize() if match.start() == 0 else word.lower())

    return WORD.sub(cased, text)


def fault_of(text: str, middle: str, back: str, min_kept_share: float) -> str | None:
    """Why a back-translation is no paraphrase of the text, as one word for the metrics, else None."""
    if bool(text) != bool(back):
        return "empty"
    if len(_NEGATION.findall(text)) != len(_NEGATION.findall(back)):
        return "negation"
    if sorted(_NUMBER.findall(text)) != sorted(_NUMBER.findall(back)):
        return "number"
    if _long_words(back) & _long_words(middle) - _long_words(text):
        return "left_foreign"
    return "too_different" if kept_share(text, back) < min_kept_share else None


def kept_share(text: str, back: str) -> float:
    """The fraction of the words of a text that came back, in any order; 1 where there were none."""
    before, after = (Counter(WORD.findall(side.lower())) for side in (text, back))
    return (before & after).total() / before.total() if before else 1.0


def _long_words(text: str) -> set[str]:
    return {word for word in WORD.findall(text.lower()) if len(word) >= _LONG_ENOUGH}
