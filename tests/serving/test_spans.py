"""Entities from the tags of words."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from serving.answers.spans import answer, best_tags, check, word
from serving.reading import Window
from serving.text import CleanText
from stages.tasks.ner import Params, open_task
from tests.serving.small import LONG, read, settings

TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
TASK = open_task(
    Params(
        name="ner",
        labels=["PER", "ORG"],
        max_tokens=10,
        long_texts="head",
        overlap=0,
        head=None,
        head_from_packages=False,
    )
)


def output_for(window: Window, text: str, tags: dict[str, str], sure: float = 5.0) -> np.ndarray:
    """Logits (tokens, tags) by which the first token of each word has its tag, and every other token a wrong one."""
    logits = np.zeros((len(window.ids), len(TAGS)), dtype=np.float32)
    logits[:, TAGS.index("B-ORG")] = 9
    for place, (start, end) in enumerate(window.offsets.tolist()):
        if window.text_of[place] == 0 and (place == 0 or window.word_of[place] != window.word_of[place - 1]):
            logits[place] = 0
            logits[place, TAGS.index(tags.get(text[start:end], "O"))] = sure
    return logits


def said(given: str, tags: dict[str, str], how: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer for a text whose words have these tags (the others: O), the same in every window."""
    text = CleanText(given)
    windows = read(how or settings(99), text.text).windows
    return answer([output_for(window, text.text, tags) for window in windows], windows, (text,), {"tags": TAGS})


def spans(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entity["label"], entity["text"]) for entity in found["entities"]]


def test_entities_are_those_of_the_task_and_its_word_is_the_same() -> None:
    text = "one two , three four five"
    tags = {"one": "B-PER", "two": "I-PER", "three": "B-PER", "four": "B-ORG", "five": "I-ORG"}
    found = said(text, tags)
    assert spans(found) == [("PER", "one two"), ("PER", "three"), ("ORG", "four five")]
    expected = [{key: entity[key] for key in ("start", "end", "label")} for entity in found["entities"]]
    assert word(found) == TASK.answer({"text": text, "entities": expected})
    assert word(found) == '[[0, 7, "PER"], [10, 15, "PER"], [16, 25, "ORG"]]'
    assert TASK.settings()["tags"] == TAGS
    check(TASK.settings())


def test_places_are_those_of_the_users_own_text() -> None:
    given = "  four\u200b \t one\u0301 \u200btwo\n\nthre\u00ade!"
    found = said(given, {"oné": "B-PER", "two": "I-PER", "three": "B-ORG"})
    assert spans(found) == [("PER", "one\u0301 \u200btwo"), ("ORG", "thre\u00ade")]
    assert all(given[entity["start"] : entity["end"]] == entity["text"] for entity in found["entities"])


def test_a_word_in_pieces_is_of_one_tag_and_whole() -> None:
    text = "one Zyxwvutsrq two"
    (window,) = read(settings(99), text).windows
    assert len(window.ids) > 5
    logits = output_for(window, text, {})
    logits[2] = [0, 5, 0, 0, 0]
    found = answer([logits], [window], (CleanText(text),), {"tags": TAGS})
    assert spans(found) == [("PER", "Zyxwvutsrq")]


def test_windows_give_what_one_window_gives() -> None:
    tags = {"two": "B-PER", "three": "I-PER", "six": "B-ORG", "seven": "I-ORG", "eight": "I-ORG", "twelve": "B-PER"}
    whole = said(LONG, tags)
    assert spans(whole) == [("PER", "two three"), ("ORG", "six seven eight"), ("PER", "twelve")]
    for max_tokens, overlap in product((4, 5, 7, 9), (0, 1, 2)):
        assert said(LONG, tags, settings(max_tokens, "windows", min(overlap, max_tokens - 3))) == whole


def test_a_word_is_judged_where_it_lies_farthest_from_a_cut() -> None:
    windows = read(settings(8, "windows", 3), LONG).windows
    assert [len(window.ids) - 2 for window in windows] == [6, 6, 6]
    outputs = [output_for(window, LONG, {}) for window in windows]
    shared = ["four", "five", "six"]  # the last three words of the first window, the first three of the second
    for place in range(3):
        outputs[0][4 + place] = [0, 9, 0, 0, 0]
        outputs[1][1 + place] = [0, 0, 0, 9, 0]
    said_of = spans(answer(outputs, windows, (CleanText(LONG),), {"tags": TAGS}))
    found = {text: label for label, text in said_of}
    assert found == dict(zip(shared, ("PER", "PER", "ORG"), strict=True))


def test_what_was_not_read_parts_entities() -> None:
    tags = dict.fromkeys(LONG.split(), "I-PER") | {"one": "B-PER"}
    found = said(LONG, tags, settings(8, "head_tail"))
    assert spans(found) == [("PER", "one two three"), ("PER", "ten eleven twelve")]


def test_a_row_of_tags_is_the_likeliest_of_those_that_can_be() -> None:
    draw = np.random.default_rng(0)
    may_follow = np.array([[t[0] != "I" or b[1:] == t[1:] for t in TAGS] for b in TAGS])
    may_start = np.array([tag[0] != "I" for tag in TAGS])
    for _ in range(60):
        scores = draw.normal(size=(4, len(TAGS)))
        rows = [
            row
            for row in product(range(len(TAGS)), repeat=4)
            if may_start[row[0]] and all(may_follow[row[i], row[i + 1]] for i in range(3))
        ]
        likeliest = max(rows, key=lambda row: sum(scores[place, tag] for place, tag in enumerate(row)))
        assert best_tags(scores, may_follow, may_start) == list(likeliest)


def test_a_loose_inside_becomes_the_likeliest_thing_that_can_be() -> None:
    (window,) = read(settings(99), "one two").windows
    logits = np.full((4, 5), -9, dtype=np.float32)
    logits[1, 0], logits[2, 2], logits[2, 1] = 5, 5, 4.5  # O, then I-PER: B-PER is nearly as likely
    found = answer([logits], [window], (CleanText("one two"),), {"tags": TAGS})
    assert spans(found) == [("PER", "two")]


def test_it_is_as_sure_as_of_its_least_sure_word() -> None:
    (window,) = read(settings(99), "one two").windows
    logits = np.zeros((4, 5), dtype=np.float32)
    logits[1], logits[2] = np.log([0.1, 0.6, 0.1, 0.1, 0.1]), np.log([0.1, 0.1, 0.5, 0.2, 0.1])
    found = answer([logits], [window], (CleanText("one two"),), {"tags": TAGS})
    assert found["confidence"] == found["entities"][0]["confidence"] == pytest.approx(0.5)
    logits[1], logits[2] = np.log([0.6, 0.1, 0.1, 0.1, 0.1]), np.log([0.7, 0.1, 0.1, 0.05, 0.05])
    found = answer([logits], [window], (CleanText("one two"),), {"tags": TAGS})
    assert (found["entities"], word(found)) == ([], "[]")
    assert found["confidence"] == pytest.approx(0.6)


def test_a_text_without_words_has_no_entities() -> None:
    (window,) = read(settings(99), "").windows
    found = answer([np.zeros((2, 5), dtype=np.float32)], [window], (CleanText(""),), {"tags": TAGS})
    assert found == {"entities": [], "confidence": None}
