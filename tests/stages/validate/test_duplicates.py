"""Which rows repeat which, by their keys."""

import pandas as pd

from stages.validate.duplicates import add_duplicates
from stages.validate.near_duplicates import find_near_duplicates


def rows_of(*entries: tuple[str, str | None, str]) -> pd.DataFrame:
    """Rows of (split, key, answer), compared; an answer of `?` is at fault."""
    rows = pd.DataFrame(entries, columns=["split", "key", "answer"]).astype("str")
    rows["answer_fault"] = rows["answer"].where(rows["answer"] == "?", None).astype("str")
    keys = rows["key"]
    add_duplicates(
        rows, lambda left, right: find_near_duplicates(keys.iloc[left].tolist(), keys.iloc[right].tolist(), 0.9)
    )
    return rows


def test_a_repeated_text_points_to_the_first_of_its_split() -> None:
    rows = rows_of(
        ("train", "a", "x"), ("train", "b", "x"), ("train", "a", "x"), ("test", "b", "x"), ("train", "a", "x")
    )
    assert rows["first_in_split"].tolist() == [-1, -1, 0, -1, 0]


def test_two_answers_conflict_within_and_across_splits() -> None:
    rows = rows_of(
        ("train", "a", "x"), ("train", "a", "y"), ("train", "b", "x"), ("test", "b", "y"), ("test", "c", "x")
    )
    assert rows["conflict"].tolist() == [True, True, True, True, False]
    assert (rows["first_in_split"] == -1).all()


def test_empty_texts_and_faulty_answers_are_not_compared() -> None:
    rows = rows_of(
        ("train", None, "x"), ("train", None, "y"), ("train", "a", "?"), ("train", "a", "x"), ("test", "a", "?")
    )
    assert not rows["conflict"].any()
    assert (rows["first_in_split"] == -1).all()
    assert rows["train_in_test"].isna().all()


def test_an_overlap_is_seen_from_both_sides_and_exact_comes_before_near() -> None:
    text, other = "arrived on time and in one piece", "quite another text, of much the same length"
    rows = rows_of(("train", text, "x"), ("train", text + "!", "x"), ("test", text, "x"), ("test", other, "x"))
    assert rows["train_partner_in_test"].tolist() == [2, 2, -1, -1]
    assert rows["train_in_test"].tolist()[2:] == ["exact", "no"]
    assert rows["train_in_test"].isna().tolist() == [True, True, False, False]


def test_every_copy_of_a_leaking_text_is_named() -> None:
    text = "arrived on time and in one piece"
    rows = rows_of(
        ("train", text, "x"), ("validation", text + "!", "x"), ("train", text, "x"), ("validation", text + "!", "x")
    )
    assert rows["train_partner_in_validation"].tolist() == [1, -1, 1, -1]
    assert rows["train_in_validation"].tolist()[1::2] == ["near", "near"]


def test_no_rows_give_no_duplicates() -> None:
    assert len(rows_of()) == 0
