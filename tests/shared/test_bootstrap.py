"""Bootstrap intervals from counts."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stages.shared import bootstrap
from stages.shared.bootstrap import interval, resampled_scores, resampled_sums

LABELS = ["a", "b", "c"]


def noisy(expected: np.ndarray, share: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(expected)) < share, rng.integers(0, 3, len(expected)), expected)


def test_resampling_counts_spreads_as_resampling_rows_does() -> None:
    expected = np.random.default_rng(0).choice(3, size=300, p=[0.6, 0.3, 0.1])
    predicted = noisy(expected, 0.3, seed=1)
    rng = np.random.default_rng(2)
    drawn = [rng.integers(0, 300, 300) for _ in range(200)]
    by_rows = [f1_score(expected[rows], predicted[rows], average="macro", zero_division=0) for rows in drawn]
    (by_counts,) = resampled_scores(expected, [predicted], LABELS, samples=4000, seed=3)
    assert np.mean(by_counts["macro_f1"]) == pytest.approx(np.mean(by_rows), abs=0.01)
    assert np.std(by_counts["macro_f1"]) == pytest.approx(np.std(by_rows), rel=0.15)


def test_a_difference_of_two_models_is_paired() -> None:
    expected = np.random.default_rng(0).integers(0, 3, 500)
    first = noisy(expected, 0.3, seed=1)
    second = first.copy()
    second[:10] = expected[:10]
    ours, theirs = resampled_scores(expected, [first, second], LABELS, samples=1000, seed=3)
    assert np.std(theirs["accuracy"] - ours["accuracy"]) < np.std(ours["accuracy"]) / 3


def test_the_same_seed_gives_the_same_values_and_another_others() -> None:
    expected = np.array([0, 1, 2, 2, 1, 0])
    predicted = np.array([0, 1, 1, 2, 2, 0])

    def run(seed: int) -> list[float]:
        return resampled_scores(expected, [predicted], LABELS, samples=250, seed=seed)[0]["macro_f1"].tolist()

    assert len(run(1)) == 250
    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_label_that_no_row_has_counts_as_zero() -> None:
    (found,) = resampled_scores(np.array([0, 0]), [np.array([0, 0])], ["a", "b"], samples=10, seed=1)
    assert set(found["f1.a"]) == {1.0}
    assert set(found["macro_f1"]) == {0.5}


def test_resampled_sums_spread_as_those_of_drawn_rows_and_are_paired_between_calls() -> None:
    hits = np.random.default_rng(0).integers(0, 3, 200)
    sums = resampled_sums(np.stack([hits, 3 - hits], axis=1), samples=3000, seed=1)
    assert sums.shape == (3000, 2)
    assert set(sums.sum(axis=1)) == {600.0}
    assert sums[:, 0].mean() == pytest.approx(hits.sum(), rel=0.01)
    assert sums[:, 0].std() == pytest.approx(hits.std() * np.sqrt(200), rel=0.1)
    assert np.array_equal(resampled_sums(hits[:, None], samples=3000, seed=1), sums[:, :1])
    assert not np.array_equal(resampled_sums(hits[:, None], samples=3000, seed=2), sums[:, :1])


def test_resampled_sums_are_the_same_however_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(12).reshape(6, 2)
    whole = resampled_sums(rows, samples=50, seed=1)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 13)
    assert np.array_equal(resampled_sums(rows, samples=50, seed=1), whole)


def test_interval_leaves_a_fortieth_on_each_side() -> None:
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
