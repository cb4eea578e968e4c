"""Batches of similar length."""

import numpy as np
import pytest

from stages.shared.batches import padded_share, shuffled_batches, sorted_batches

LENGTHS = np.random.default_rng(0).lognormal(mean=3.1, sigma=0.45, size=5000).astype(int).clip(4, 128).tolist()


def flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


@pytest.mark.parametrize(("rows", "size"), [(5000, 32), (33, 32), (1, 32), (7, 1)])
def test_every_example_comes_exactly_once_in_batches_of_the_size_but_for_one(rows: int, size: int) -> None:
    batches = shuffled_batches(LENGTHS[:rows], size, seed=1, epoch=0)
    assert sorted(flat(batches)) == list(range(rows))
    assert sum(len(batch) != size for batch in batches) <= 1


def test_little_of_a_batch_is_padding_and_much_would_be_without_sorting() -> None:
    assert padded_share(LENGTHS, shuffled_batches(LENGTHS, 32, seed=1, epoch=0)) < 0.05
    plain = [list(range(start, min(start + 32, len(LENGTHS)))) for start in range(0, len(LENGTHS), 32)]
    assert padded_share(LENGTHS, plain) > 0.4


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = shuffled_batches(LENGTHS, 32, seed=1, epoch=0)
    assert first == shuffled_batches(LENGTHS, 32, seed=1, epoch=0)
    assert first != shuffled_batches(LENGTHS, 32, seed=1, epoch=1)
    assert first != shuffled_batches(LENGTHS, 32, seed=2, epoch=0)


def test_batches_do_not_come_in_the_order_of_length() -> None:
    longest = [max(LENGTHS[index] for index in batch) for batch in shuffled_batches(LENGTHS, 32, seed=1, epoch=0)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.4


def test_sorted_batches_start_with_the_longest() -> None:
    assert sorted_batches([3, 9, 5, 9], 2) == [[1, 3], [2, 0]]
    assert sorted_batches([], 2) == []


def test_padded_share_is_padding_over_all_tokens_shown() -> None:
    assert padded_share([2, 4], [[0, 1]]) == pytest.approx(2 / 8)
    assert padded_share([2, 4], [[0], [1]]) == 0
    assert padded_share([], []) == 0
