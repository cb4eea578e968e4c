"""Parts of the augment stage: which words are replaced, where spans go, what is no paraphrase, what is known."""

import random
from collections.abc import Callable

import pytest

from stages.augment.back_translation import fault_of, is_chosen, kept_share, with_case_of
from stages.augment.copies import Copy, Edit, Known, check_parents, edited, moved_by, random_of
from stages.augment.synonyms import Place, picked, replaceable
from stages.shared.errors import DataError
from stages.shared.params import Params
from stages.tasks import task_of
from tests.stages.test_augment import example


class Letters:
    """A thesaurus in which every word of four letters or more has one synonym, itself twice."""

    def knows(self, word: str) -> bool:
        return True

    def synonyms(self, word: str, before: str | None, after: str | None) -> list[str]:
        return [word + word] if len(word) >= 4 else []


class Neighbours:
    """A thesaurus that answers with what it was asked."""

    def knows(self, word: str) -> bool:
        return True

    def synonyms(self, word: str, before: str | None, after: str | None) -> list[str]:
        return [f"{before} {after}"]


def test_a_parent_outside_train_and_an_id_twice_are_errors() -> None:
    good = [{"id": "a", "parent": ""}, {"id": "a+bt", "parent": "a"}]
    check_parents(good, ["a"], ["v"])
    with pytest.raises(DataError, match=r"'v\+bt': its parent 'v' is no training row"):
        check_parents([*good, {"id": "v+bt", "parent": "v"}], ["a"], ["v"])
    with pytest.raises(DataError, match="the id 'a' stands twice"):
        check_parents([*good, good[0]], ["a"], ["v"])


def test_known_texts_are_told_apart_by_what_they_are(make_params: Callable[..., Params]) -> None:
    known = Known(task_of(make_params().task))
    known.learn([example(0, "One.", "positive")], "duplicate")
    known.learn([example(1, "Two.", "positive", "v")], "in_validation")
    parent = example(0, "One.", "positive")
    texts = ["ONE.", "two.", "Three.", "three."]
    copies = known.sifted((parent, Copy(example(0, text, "positive"))) for text in texts)
    assert [copy.fault for copy in copies] == ["unchanged", "in_validation", None, "duplicate"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Great stuff from London, says Anna.", ["Great", "stuff", "from", "says"]),
        ("These words are fixed, these are not", ["These", "fixed", "these"]),
        ("It broke. Never again!", ["broke", "again"]),
        ("VERY LOUD words", ["words"]),
        ("mail me@some.where or see www.some.where/page", ["mail"]),
        ("size42 with under_score and #hash", ["with"]),
        ("don't blame half-hearted people", ["don't", "blame", "half-hearted", "people"]),
    ],
)
def test_only_ordinary_words_are_replaced(text: str, words: list[str]) -> None:
    fixed = [(8, 9), (13, 15), (22, 22)] if "fixed" in text else []
    places = replaceable(text, Letters(), frozenset({"never"}), fixed)
    assert [text[place.start : place.end] for place in places] == words


def test_neighbours_end_at_punctuation() -> None:
    places = replaceable("One two, three", Neighbours(), frozenset(), [])
    assert [place.choices[0].lower() for place in places] == ["none two", "one none", "none none"]


def test_case_is_kept() -> None:
    text = "Some words. More words"
    edits = picked(replaceable(text, Letters(), frozenset(), []), 1.0, random.Random(0))
    assert edited(text, edits) == "Somesome wordswords. Moremore wordswords"


@pytest.mark.parametrize(("rate", "count"), [(0.0, 1), (0.15, 1), (0.5, 2), (1.0, 4)])
def test_the_rate_is_of_the_replaceable_words_and_at_least_one(rate: float, count: int) -> None:
    places = [Place(start, start + 4, ["other"]) for start in (0, 5, 10, 15)]
    edits = picked(places, rate, random.Random(0))
    assert len(edits) == count
    assert edits == sorted(edits, key=lambda edit: edit.start)
    assert picked([], rate, random.Random(0)) == []


def test_every_position_outside_an_edit_moves_to_the_same_character() -> None:
    text = "a big dog saw the tiny cat"
    edits = [Edit(2, 5, "huge"), Edit(6, 9, "x"), Edit(18, 22, "small")]
    new, move = edited(text, edits), moved_by(edits)
    assert new == "a huge x saw the small cat"
    inside = {place for edit in edits for place in range(edit.start + 1, edit.end)}
    for place in set(range(len(text) + 1)) - inside:
        rest = next((edit.start for edit in edits if edit.start >= place), len(text))
        assert new[move(place) :].startswith(text[place:rest])
    assert [text[move_from : move_from + 3] for move_from in (10, 23)] == [new[move(10) : move(13)], new[move(23) :]]
    with pytest.raises(RuntimeError, match="position 3 lies within"):
        move(3)


def test_the_share_is_met_row_by_row() -> None:
    many = [example(row, "text", "positive") for row in range(2000)]
    chosen = [row["id"] for row in many if is_chosen(row, 0.3, seed=1)]
    assert 500 < len(chosen) < 700
    assert chosen != [row["id"] for row in many if is_chosen(row, 0.3, seed=2)]
    assert not any(is_chosen(row, 0.0, seed=1) for row in many)
    assert all(is_chosen(row, 1.0, seed=1) for row in many)


def test_random_numbers_depend_on_seed_row_and_purpose() -> None:
    row = example(0, "text", "positive")
    drawn = random_of(1, row, "a").random()
    assert drawn == random_of(1, row | {"text": "other"}, "a").random()
    assert len({drawn, random_of(2, row, "a").random(), random_of(1, row, "b").random()}) == 3


@pytest.mark.parametrize(
    ("before", "middle", "after", "fault"),
    [
        ("It is not bad.", "No es malo.", "It isn't bad.", None),
        ("I don't like it.", "Me gusta.", "I like it.", "negation"),
        ("Nobody came.", "Nadie vino.", "No one came.", None),
        ("It took 3 days.", "Tardó tres días.", "It took three days.", "number"),
        ("A blue house.", "Una casa azul.", "A blue casa.", "left_foreign"),
        ("A good hotel.", "Un buen hotel.", "A fine hotel.", None),
        ("Tea!", "", "", "empty"),
        ("One two three four.", "Uno.", "Quite another thing altogether.", "too_different"),
    ],
)
def test_a_back_translation_that_lost_something_is_named(
    before: str, middle: str, after: str, fault: str | None
) -> None:
    assert fault_of(before, middle, after, min_kept_share=0.3) == fault


def test_the_kept_share_counts_each_word_once() -> None:
    assert kept_share("a b b c", "b B d") == 0.5
    assert kept_share("...", "...") == 1.0


@pytest.mark.parametrize(
    ("text", "original", "expected"),
    [
        ("THANKS TO his help", "Thanks to their help", "Thanks to his help"),
        ("I saw NASA", "I saw NASA", "I saw NASA"),
        ("WONDERFUL PLACE", "Lovely spot", "Wonderful place"),
        ("DO NOT BUY", "DO NOT BUY", "DO NOT BUY"),
    ],
)
def test_capitals_are_those_of_the_original(text: str, original: str, expected: str) -> None:
    assert with_case_of(text, original) == expected
