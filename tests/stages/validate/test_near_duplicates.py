"""Near duplicates: every pair within four edits is found, and nothing that is not similar enough."""

import random

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from stages.validate.near_duplicates import BETWEEN_TEXTS, Sorted, allowed_edits, find_near_duplicates, joined

LETTERS = "abcdefghijklmnopqrstuvwxyz "
SIMILARITY = 0.9


def random_text(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(LETTERS, k=length))


def edited(chance: random.Random, text: str, edits: int) -> str:
    for _ in range(edits):
        place, kind = chance.randrange(len(text)), chance.choice(("insert", "delete", "replace"))
        text = text[:place] + ("" if kind == "delete" else chance.choice(LETTERS)) + text[place + (kind != "insert") :]
    return text


def pairs_within(edits: tuple[int, int], shortest: int, longest: int) -> tuple[list[str], list[str]]:
    """200 texts, and for each one that differs by so many edits and is similar enough."""
    chance = random.Random(5)
    left, right = [], []
    while len(left) < 200:
        text = random_text(chance, chance.randint(shortest, longest))
        other = edited(chance, text, chance.randint(*edits))
        if other != text and Levenshtein.normalized_similarity(text, other) >= SIMILARITY:
            left.append(text)
            right.append(other)
    return left, right


@pytest.mark.parametrize(
    ("edits", "shortest", "longest"),
    [((1, 1), 10, 19), ((1, 2), 20, 40), ((1, 2), 100, 300), ((3, 4), 40, 60), ((4, 4), 40, 40)],
)
def test_every_pair_within_four_edits_is_found(edits: tuple[int, int], shortest: int, longest: int) -> None:
    left, right = pairs_within(edits, shortest, longest)
    found = find_near_duplicates(left, right, SIMILARITY)
    assert found.left.tolist() == list(range(200))
    assert found.right.tolist() == list(range(200))


def test_nearly_every_pair_with_more_edits_is_found() -> None:
    left, right = pairs_within((5, 15), 60, 200)
    found = find_near_duplicates(left, right, SIMILARITY)
    assert np.mean(found.left >= 0) >= 0.97


def test_what_is_found_is_similar_enough() -> None:
    chance = random.Random(3)
    left = [random_text(chance, 30) for _ in range(100)]
    right = [edited(chance, text, chance.randint(1, 8)) for text in left]
    found = find_near_duplicates(left, right, SIMILARITY)
    similar = [SIMILARITY <= Levenshtein.normalized_similarity(a, b) < 1 for a, b in zip(left, right, strict=True)]
    assert 10 < sum(similar) < 90
    assert (found.left >= 0).tolist() == similar


@pytest.mark.parametrize(
    ("left", "right", "near"),
    [
        ("abcdefghij", "abcdefghiX", True),  # 1 edit in 10
        ("abcdefghi", "abcdefghX", False),  # 1 edit in 9 is less than 0.9
        ("abcdefghij", "abcdefghXY", False),
        ("abcdefghijklmnopqrst", "XYcdefghijklmnopqrst", True),
        ("abcdefghijklmnopqrst", "abcdefghijklmnopqr", True),
        ("质量很好送货也很快真的非常满意", "质量很好送货也很慢真的非常满意", True),
        ("a fine lamp 😀 for the desk", "a fine lamp 😁 for the desk", True),
        ("the same text", "the same text", False),
    ],
)
def test_the_border_between_near_and_not(left: str, right: str, near: bool) -> None:
    assert (find_near_duplicates([left], [right], SIMILARITY).left.tolist() == [0]) is near


def test_the_texts_of_a_side_may_be_none() -> None:
    found = find_near_duplicates([], ["a text of some length, with nothing to match it"], SIMILARITY)
    assert found.left.tolist() == []
    assert found.right.tolist() == [-1]


def test_a_text_and_its_nearly_equal_copy_are_told_from_an_equal_one() -> None:
    text = "arrived on time and in one piece"
    found = find_near_duplicates([text, text + "!"], [text], SIMILARITY)
    assert found.left.tolist() == [-1, 0]
    assert found.right.tolist() == [1]


def test_each_of_several_texts_must_be_near() -> None:
    passage = "the shop opens at nine and closes at six, and on the last day of the month it stays closed all day"
    question, same, other = "when does the shop open?", "when does the shop open", "is it open on the last day?"
    for between, expected in ((BETWEEN_TEXTS, [0, -1]), (" ", [0, 0])):
        left, right = [f"{asked}{between}{passage}" for asked in (question, other)], [f"{same}{between}{passage}"]
        assert find_near_duplicates(left, right, 0.8).left.tolist() == expected


def test_edits_are_counted_without_rounding_error() -> None:
    assert allowed_edits(10, 0.9) == 1
    assert allowed_edits(19, 0.9) == 1
    assert allowed_edits(20, 0.9) == 2
    assert allowed_edits(100, 0.7) == 30


def test_equal_hashes_are_paired_in_order_and_at_most_so_many_of_a_block() -> None:
    draw = np.random.default_rng(2)
    for size, block in ((0, 3), (40, 1), (40, 3), (300, 100)):
        left, right = (draw.integers(0, 25, count).astype(np.uint64) for count in (size, 30))
        expected = [(int(a), b) for b in range(len(right)) for a in np.flatnonzero(left == right[b])[:block]]
        found = [
            pair for a, b in joined(Sorted.of(left), right, block) for pair in zip(a.tolist(), b.tolist(), strict=True)
        ]
        assert found == expected
