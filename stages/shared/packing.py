"""Rows of a causal language model: what is asked, what follows, and several documents in one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from serving.reading import Places, Window
from stages.shared.items import IGNORED, Item

Tokens = np.ndarray  # ids, int64 of shape (tokens,)
NOWHERE = Places(*[np.empty(0)] * 3)


@dataclass(frozen=True, eq=False)
class LanguageItem(Item):
    """A row that is read as a whole, of which every token but the ignored ones is to be told from those before it.

    Attributes:
        ids: of the whole row, int64 (tokens,). Its `rows[0]` are the tokens that are asked, `expected` is (tokens,).
        documents: the number of the document that each token is of, where there are several in the row, else None.
    """

    ids: Tokens
    documents: Tokens | None = None

    @property
    def tokens(self) -> int:
        """The tokens of the whole row."""
        return len(self.ids)


def window_of(ids: Sequence[int]) -> Window:
    """A row of tokens of which nothing else is known."""
    return Window(list(ids), [0] * len(ids), NOWHERE)


def pieces_of(document: Tokens, max_tokens: int) -> list[Tokens]:
    """A document in pieces of at most so many tokens, none of which is lost."""
    return [document[start : start + max_tokens] for start in range(0, len(document), max_tokens)]


def packed(documents: Sequence[Tokens], max_tokens: int) -> list[list[Tokens]]:
    """The documents in as few rows as comes easily, each whole in one row; longer ones in pieces.

    The longest first, each into the fullest row that has room for it; of equal ones the earlier first.

    Returns:
        For each row its documents, together at most `max_tokens` tokens.
    """
    pieces = [piece for document in documents for piece in pieces_of(document, max_tokens)]
    rows: list[list[Tokens]] = []
    with_room: list[list[int]] = [[] for _ in range(max_tokens + 1)]  # rows by the tokens that they have room for
    for piece in sorted(pieces, key=len, reverse=True):
        size = len(piece)
        room = next((room for room in range(size, max_tokens + 1) if with_room[room]), None)
        if room is None:
            room = max_tokens
            with_room[room].append(len(rows))
            rows.append([])
        row = with_room[room].pop()
        rows[row].append(piece)
        with_room[room - size].append(row)
    return rows


def packed_item(position: int, row: Sequence[Tokens]) -> LanguageItem:
    """A row of documents as one item; the first token of each has nothing before it that tells it."""
    ids = np.concatenate(row).astype(np.int64)
    starts = np.cumsum([0, *(len(document) for document in row[:-1])])
    expected = ids.copy()
    expected[starts] = IGNORED
    documents = np.repeat(np.arange(len(row)), [len(document) for document in row])
    return LanguageItem(position, (window_of(ids[:1].tolist()),), expected, ids, documents)


def _filled(arrays: Sequence[Tokens], padding: int) -> torch.Tensor:
    width = max(map(len, arrays))
    rows = [np.pad(array, (0, width - len(array)), constant_values=padding) for array in arrays]
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def _apart(documents: torch.Tensor) -> dict[str, torch.Tensor]:
    """Positions from 0 in each document, and attention within it alone: (batch, 1, tokens, tokens), added to scores."""
    width = documents.shape[1]
    places = torch.arange(width).expand_as(documents)
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    firsts = torch.where(begins, places, 0).cummax(dim=1).values
    same = documents[:, :, None] == documents[:, None, :]
    allowed = same & torch.ones(width, width, dtype=torch.bool).tril()
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    return {"position_ids": places - firsts, "attention_mask": mask[:, None]}


def language_batch(items: Sequence[LanguageItem], padding: int) -> dict[str, torch.Tensor]:
    """One batch, padded at the end to its longest row.

    Returns:
        "input_ids", "expected": int64 (batch, tokens); "attention_mask": the same, 1 at tokens. Of rows with several
        documents the mask is (batch, 1, tokens, tokens), and there are "position_ids".
    """
    batch = {
        "input_ids": _filled([item.ids for item in items], padding),
        "expected": _filled([item.expected for item in items], IGNORED),
    }
    if items[0].documents is None:
        return batch | {"attention_mask": _filled([np.ones(item.tokens) for item in items], 0)}
    return batch | _apart(_filled([item.documents for item in items if item.documents is not None], -1))


def next_token_loss(logits: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """The summed cross entropy of each token after those before it, a scalar in nats; logits (batch, tokens, words)."""
    from torch.nn.functional import cross_entropy

    flat = logits[:, :-1].reshape(-1, logits.shape[-1])
    return cross_entropy(flat, expected[:, 1:].reshape(-1), ignore_index=IGNORED, reduction="sum")


def next_token_count(expected: torch.Tensor) -> torch.Tensor:
    """How many tokens that loss is of, a scalar."""
    return (expected[:, 1:] != IGNORED).sum()


def next_token_scores(log_probabilities: np.ndarray, expected: Tokens) -> np.ndarray:
    """[summed log probability, tokens, tokens held likeliest] of what is expected, float64 (3,).

    Args:
        log_probabilities: or logits, of what comes after each token of the row, (tokens, words).
        expected: the row, IGNORED where nothing is asked, (tokens,).
    """
    places = np.flatnonzero(expected[1:] != IGNORED)
    rows, wanted = log_probabilities[places].astype(np.float64), expected[1:][places]
    highest = rows.max(axis=1, keepdims=True) if len(rows) else rows
    rows = rows - highest - np.log(np.exp(rows - highest).sum(axis=1, keepdims=True))
    told = rows[np.arange(len(places)), wanted]
    return np.array([told.sum(), len(places), (rows.argmax(axis=1) == wanted).sum()], np.float64)
