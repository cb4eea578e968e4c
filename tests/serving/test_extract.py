"""Answers that are spans of a context."""

from typing import Any

import numpy as np
import pytest

from serving.answers.extract import answer, word
from serving.reading import Window
from serving.text import CleanText
from tests.serving.small import LONG, read, settings

MUST = {"max_answer_tokens": 4, "no_answer": False}
MAY = {"max_answer_tokens": 4, "no_answer": True, "no_answer_threshold": 0.0}


def output_for(window: Window, context: str, starts: dict[str, float], ends: dict[str, float]) -> np.ndarray:
    """Logits (tokens, 2): those given for words of the context, a great deal for the question, 0 elsewhere."""
    logits = np.zeros((len(window.ids), 2), dtype=np.float32)
    logits[window.text_of == 0] = 50
    for place in np.flatnonzero(window.text_of == 1):
        shown = context[slice(*window.offsets[place].tolist())]
        logits[place] = starts.get(shown, 0), ends.get(shown, 0)
    return logits


def said(
    given: str,
    starts: dict[str, float],
    ends: dict[str, float],
    rules: dict[str, Any],
    how: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The answer to a question when these words of the context begin and end it, in every window that holds them."""
    texts = CleanText("who is"), CleanText(given)
    windows = read(how or settings(99), *(text.text for text in texts)).windows
    outputs = [output_for(window, texts[1].text, starts, ends) for window in windows]
    return answer(outputs, windows, texts, rules)


def test_the_answer_is_the_span_with_the_highest_sum() -> None:
    found = said(LONG, {"two": 3, "nine": 4}, {"three": 3, "seven": 2.5}, MUST)
    assert (found["answer"], found["start"], found["end"]) == ("two three", 4, 13)
    assert found["margin"] == 6
    assert word(found) == "two three"


def test_an_answer_never_ends_before_it_starts_nor_is_longer_than_it_may_be() -> None:
    assert word(said(LONG, {"five": 5}, {"two": 5, "six": 1}, MUST)) == "five six"
    assert word(said(LONG, {"one": 5}, {"five": 5, "four": 1}, MUST)) == "one two three four"
    assert word(said(LONG, {"one": 5}, {"five": 5, "four": 1}, {**MUST, "max_answer_tokens": 5})).endswith("five")


def test_windows_answer_as_one_does_with_places_in_the_users_own_context() -> None:
    given = "  " + LONG.replace(" ten", "\u200b \n ten") + " "
    starts, ends = {"two": 3.0, "nine": 4.0}, {"three": 3.0, "ten": 4.0}
    whole = said(given, starts, ends, MUST)
    assert whole["answer"] == given[whole["start"] : whole["end"]] == "nine\u200b \n ten"
    for how in (settings(10, "windows", 2), settings(12, "windows", 1), settings(9, "windows", 2)):
        found = said(given, starts, ends, MUST, how)
        assert {**found, "confidence": 0} == {**whole, "confidence": 0}


def test_no_span_goes_over_what_was_not_read() -> None:
    found = said(LONG, {"two": 5}, {"twelve": 5, "three": 1}, MUST, settings(9, "head_tail"))
    assert word(found) == "two"


def test_no_answer_is_the_answer_below_the_threshold_alone() -> None:
    starts, ends = {"two": 1.0}, {"three": 1.0}
    assert word(said(LONG, starts, ends, {**MAY, "no_answer_threshold": 2.0})) == "two three"
    found = said(LONG, starts, ends, {**MAY, "no_answer_threshold": 2.1})
    assert (found["answer"], found["start"], found["end"], found["margin"]) == ("", None, None, 2)
    assert word(found) == ""
    assert word(said(LONG, starts, ends, {**MUST, "no_answer_threshold": 2.1})) == "two three"


def test_no_answer_counts_by_the_window_that_is_least_sure_of_it() -> None:
    texts = CleanText("who is"), CleanText(LONG)
    windows = read(settings(10, "windows", 1), "who is", LONG).windows
    outputs = [output_for(window, LONG, {"two": 2}, {"two": 2}) for window in windows]
    for output, null in zip(outputs, (3, 1, 2), strict=True):
        output[0] = null
    assert answer(outputs, windows, texts, MAY)["margin"] == 2
    assert word(answer(outputs, windows, texts, {**MAY, "no_answer_threshold": 2.5})) == ""


def test_confidence_is_a_probability_over_the_contexts_tokens_and_no_answer() -> None:
    context = "one two"
    sure = said(context, {"one": np.log(3)}, {"one": np.log(4)}, MUST)["confidence"]
    assert sure == pytest.approx(3 / 4 * 4 / 5)
    assert said(context, {"one": np.log(3)}, {"one": np.log(4)}, MAY)["confidence"] == pytest.approx(3 / 5 * 4 / 6)
    none = said(context, {"one": np.log(3)}, {"one": np.log(4)}, {**MAY, "no_answer_threshold": 99})
    assert none["confidence"] == pytest.approx(1 / 5 * 1 / 6)


def test_a_context_without_tokens_has_no_answer() -> None:
    found = said("", {}, {}, MUST)
    assert (found["answer"], found["confidence"]) == ("", None)
