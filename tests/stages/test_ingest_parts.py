"""The cut of splits, from keys alone."""

import numpy as np

from stages.ingest.cut import CODES, cut, cut_key


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
