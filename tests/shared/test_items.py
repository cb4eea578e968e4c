"""From items to a batch."""

from typing import Any

import numpy as np
import pytest

from serving.reading import Window
from stages.shared.items import IGNORED, Item, collate
from stages.shared.packing import NOWHERE

PADDING = 7


def padded_one_by_one(rows: list[list[int]], filling: int) -> list[list[int]]:
    longest = max(map(len, rows))
    return [row + [filling] * (longest - len(row)) for row in rows]


def test_a_batch_holds_every_row_padded_to_the_longest() -> None:
    draw = np.random.default_rng(1)
    for _ in range(20):
        rows = [draw.integers(0, 30_000, draw.integers(0, 9)).tolist() for _ in range(8)] + [[5]]
        types = [draw.integers(0, 2, len(row)).tolist() for row in rows]
        windows = [Window(*pair, NOWHERE) for pair in zip(rows, types, strict=True)]
        items = [Item(0, tuple(windows[start : start + 3]), start) for start in (0, 3, 6)]
        batch = collate(items, PADDING)
        assert batch["input_ids"].tolist() == padded_one_by_one(rows, PADDING)
        assert batch["token_type_ids"].tolist() == padded_one_by_one(types, 0)
        assert batch["attention_mask"].tolist() == padded_one_by_one([[1] * len(row) for row in rows], 0)
        assert batch["expected"].tolist() == [0, 3, 6]
        assert {str(tensor.dtype) for tensor in batch.values()} == {"torch.int64"}


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        ([1, 2], [1, 2], "int64"),
        ([1.5, 2.0], [1.5, 2.0], "float64"),
        ([np.float32(1.5), np.float32(2)], [1.5, 2.0], "float32"),
        ([[0.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]], "float64"),
        ([np.array([3]), np.array([1, 2])], [[3, IGNORED], [1, 2]], "int64"),
        ([np.ones((1, 2)), np.zeros((2, 2))], [[[1, 1], [IGNORED] * 2], [[0, 0], [0, 0]]], "float64"),
    ],
)
def test_what_is_expected_is_stacked_and_padded(values: list[Any], expected: list[Any], kind: str) -> None:
    window = Window([1], [0], NOWHERE)
    found = collate([Item(0, (window,), value) for value in values], PADDING)["expected"]
    assert (found.tolist(), str(found.dtype)) == (expected, f"torch.{kind}")
