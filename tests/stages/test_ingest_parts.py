"""The cut of splits, from keys alone; and rows, one after the other."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.ingest.cut import CODES, cut, cut_key
from stages.sources import Row
from tests.stages.test_ingest import intake_for


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


def test_rows_stream(tmp_path: Path) -> None:
    """A row is let go before the next is read: nothing holds on to rows."""
    intake = intake_for()
    row = Row("all", "x:1", {"text": "a", "label": "b"})

    def rows() -> Iterator[Row]:
        for number in range(3):
            assert intake.accepted == number
            yield replace(row, place=f"x:{number}")

    assert len([example["id"] for example in intake.examples(rows())]) == 3
