"""Rows of a causal language model: packed and unpacked they are the same to it."""

from typing import Any

import numpy as np
import pytest
import torch

from stages.shared.items import IGNORED
from stages.shared.packing import (
    LanguageItem,
    language_batch,
    next_token_count,
    next_token_loss,
    next_token_scores,
    packed,
    packed_item,
    pieces_of,
    window_of,
)
from stages.shared.predict import inputs_of
from tests.writing_models import causal_model

WORDS = 60
RANDOM = np.random.default_rng(0)
DOCUMENTS = [RANDOM.integers(2, WORDS, size) for size in (9, 3, 14, 2, 7, 5, 16, 1, 4)]


def item_of(position: int, document: np.ndarray) -> LanguageItem:
    expected = document.copy()
    expected[0] = IGNORED
    return LanguageItem(position, (window_of(document[:1].tolist()),), expected, document)


def loss_of(model: Any, items: list[LanguageItem], padding: int = 0) -> tuple[torch.Tensor, int]:
    batch = language_batch(items, padding)
    with torch.inference_mode():
        logits = model(**inputs_of(batch, model)).logits
    return next_token_loss(logits, batch["expected"]), int(next_token_count(batch["expected"]))


def test_rows_are_full_and_hold_every_token_once() -> None:
    rows = packed(DOCUMENTS, 16)
    assert all(sum(map(len, row)) <= 16 for row in rows)
    assert len(rows) == 4
    found = sorted(tuple(document.tolist()) for row in rows for document in row)
    assert found == sorted(tuple(document.tolist()) for document in DOCUMENTS)


def test_a_document_that_is_too_long_comes_in_pieces_none_lost() -> None:
    long = np.arange(2, 45)
    rows = packed([long, DOCUMENTS[0]], 16)
    pieces = [piece.tolist() for row in rows for piece in row]
    assert sorted(token for piece in pieces for token in piece) == sorted([*long.tolist(), *DOCUMENTS[0].tolist()])
    assert [piece.tolist() for piece in pieces_of(long, 16)] == [
        long[:16].tolist(),
        long[16:32].tolist(),
        long[32:].tolist(),
    ]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_packed_and_unpacked_rows_give_the_same_loss(kind: str) -> None:
    model = causal_model(kind, WORDS).train(False)
    alone, tokens = loss_of(model, [item_of(i, document) for i, document in enumerate(DOCUMENTS)])
    together, same = loss_of(model, [packed_item(i, row) for i, row in enumerate(packed(DOCUMENTS, 24))])
    assert tokens == same == sum(len(document) - 1 for document in DOCUMENTS)
    assert abs(float(alone - together)) / tokens < 1e-5


def test_a_document_sees_nothing_of_the_one_before_it() -> None:
    model = causal_model("gpt2", WORDS).train(False)
    first, second = DOCUMENTS[0], DOCUMENTS[4]
    other = np.flip(first).copy()
    batches = [language_batch([packed_item(0, [one, second])], 0) for one in (first, other)]
    with torch.inference_mode():
        said = [model(**inputs_of(batch, model)).logits[0, len(first) :] for batch in batches]
    torch.testing.assert_close(*said)


def test_padding_and_the_batch_change_nothing() -> None:
    model = causal_model("gpt2", WORDS).train(False)
    items = [item_of(i, document) for i, document in enumerate(DOCUMENTS)]
    together, _ = loss_of(model, items, padding=5)
    alone = sum(loss_of(model, [item])[0] for item in items)
    torch.testing.assert_close(together, torch.as_tensor(alone))


def test_scores_are_the_loss_its_tokens_and_the_right_ones() -> None:
    model = causal_model("gpt2", WORDS).train(False)
    item = item_of(0, DOCUMENTS[2])
    batch = language_batch([item], 0)
    with torch.inference_mode():
        logits = model(**inputs_of(batch, model)).logits[0].numpy()
    loss, tokens = loss_of(model, [item])
    total, counted, right = next_token_scores(logits, item.expected)
    assert total == pytest.approx(-float(loss), rel=1e-5)
    assert counted == tokens == 13
    assert right == (logits[:-1].argmax(axis=1) == DOCUMENTS[2][1:]).sum()
    assert next_token_scores(logits, np.full(14, IGNORED)).tolist() == [0, 0, 0]
