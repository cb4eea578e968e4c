"""Parts of the ingest stage: values as text, and the cut of splits from keys alone."""

from typing import Any

import numpy as np
import pytest

from stages.ingest.cut import CODES, cut, cut_key
from stages.ingest.intake import as_text, typed


@pytest.mark.parametrize(
    ("value", "expected"), [("a", "a"), (1, "1"), (1.5, "1.5"), (True, "true"), (False, "false"), ("null", "null")]
)
def test_values_become_text(value: Any, expected: str) -> None:
    assert as_text(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "no value"), (float("nan"), "no value"), ([1], "a list, where"), ({}, "an object, where")],
)
def test_what_is_no_text_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        as_text(value)


def test_values_have_the_type_of_their_column() -> None:
    assert typed("3", "int64") == 3
    assert typed("0.5", "float32") == 0.5
    assert typed([1, 2], "list") == [1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        typed("three", "int32")


def fractions_of(codes: np.ndarray) -> tuple[float, float]:
    return float((codes == CODES["validation"]).mean()), float((codes == CODES["test"]).mean())


def test_many_small_classes_still_give_the_fractions() -> None:
    keys = np.array([cut_key((str(number),), 1) for number in range(2000)], dtype=np.uint64)
    codes = cut(keys, np.arange(2000), {"validation": 0.15, "test": 0.15})
    assert fractions_of(codes) == (0.15, 0.15)


def test_one_large_group_does_not_upset_the_other_classes() -> None:
    keys = np.array([7] * 500 + list(range(100, 600)), dtype=np.uint64)
    answers = np.array([0] * 500 + [1] * 500)
    codes = cut(keys, answers, {"validation": 0.1, "test": 0.1})
    assert len(set(codes[:500].tolist())) == 1
    assert all(48 <= (codes[500:] == CODES[split]).sum() <= 52 for split in ("validation", "test"))


def test_a_group_with_several_answers_counts_as_its_most_common() -> None:
    keys = np.array([1, 1, 1, 2, 3, 4, 5], dtype=np.uint64)
    answers = np.array([1, 1, 0, 0, 0, 0, 0])
    codes = cut(keys, answers, {"test": 0.5})
    assert len(set(codes[:3].tolist())) == 1
    assert (codes[3:] == CODES["test"]).sum() == 2
