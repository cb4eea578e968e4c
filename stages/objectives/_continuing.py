"""Rows of packed documents, of which each token is told from those before it in its document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from stages.objectives import Learnt, Start
from stages.objectives._learning import (
    PRIMARY,
    Loaded,
    Sums,
    language_figures,
    learn_rows,
    open_tokenizer,
    read_corpora,
)
from stages.shared.bodies import read_language_model
from stages.shared.corpus import Corpus, Framing
from stages.shared.errors import ParamsError
from stages.shared.fitting import make_repeatable
from stages.shared.items import IGNORED, Item
from stages.shared.packing import (
    LanguageItem,
    language_batch,
    next_token_count,
    next_token_loss,
    packed_item,
)

if TYPE_CHECKING:
    from stages.tasks import Batch


def row_bounds(starts: np.ndarray, max_tokens: int) -> np.ndarray:
    """Where rows begin, and where the last ends, that hold the documents in their order.

    A row takes whole documents as long as they fit; one longer than a row begins a row, and comes in pieces.

    Args:
        starts: of the documents, and the end of the last.
        max_tokens: of a row.
    """
    bounds = [int(starts[0])]
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if end - bounds[-1] <= max_tokens:
            continue
        if start > bounds[-1]:
            bounds.append(start)
        bounds += range(bounds[-1] + max_tokens, end, max_tokens)
    return np.array([*bounds, int(starts[-1])], np.int64)


class PackedRows:
    """The documents of a corpus in their order, packed into rows."""

    def __init__(self, corpus: Corpus, max_tokens: int) -> None:
        self.corpus = corpus
        self.bounds = row_bounds(corpus.starts, max_tokens)
        self.lengths = np.diff(self.bounds)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, position: int) -> LanguageItem:
        """A row, its documents apart."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        start, end = self.bounds[position : position + 2].tolist()
        starts = self.corpus.starts
        first, last = np.searchsorted(starts, [start, end], side="right")
        cuts = [start, *(cut for cut in starts[first:last].tolist() if start < cut < end), end]
        return packed_item(position, [self.corpus.ids(*pair) for pair in pairwise(cuts)])


@dataclass(frozen=True)
class NextTokens:
    """What is learnt of each row; see `stages.objectives._learning.Lesson`."""

    primary: str = PRIMARY

    def renewed(self, item: Item, random: np.random.Generator) -> Item:
        """The row as it is."""
        return item

    def batch(self, items: Sequence[Item], padding: int) -> Batch:
        """The rows, padded at their end, each document to itself."""
        return language_batch(cast(Sequence[LanguageItem], items), padding)

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of the tokens, in nats."""
        return next_token_loss(logits.float(), batch["expected"])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The tokens that have one before them, a scalar."""
        return next_token_count(batch["expected"]).clamp(min=1)

    def sums(self, logits: torch.Tensor, batch: Batch) -> Sums:
        """Log probability, tokens, tokens held likeliest."""
        expected = batch["expected"][:, 1:]
        counted = expected != IGNORED
        right = ((logits[:, :-1].argmax(dim=-1) == expected) & counted).sum().item()
        loss = self.loss_sum(logits, batch, None).item()
        return np.array([-loss, counted.sum().item(), right], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        """Loss, perplexity and accuracy of the tokens."""
        return language_figures(sums)


def learn_next(start: Start, params: Any) -> Learnt:
    """Learn to tell the next token; see the contract of an objective, and Params of causal_lm.

    Raises:
        ParamsError: the tokenizer has no token that ends a text.
    """
    make_repeatable(start.seed, params.threads)
    end = start.tokenizer.eos_token_id
    if end is None:
        raise ParamsError(
            "pretrain.base: its tokenizer has no token that ends a text (eos_token). Choose another base."
        )
    tokenizer, layouts = open_tokenizer(start)
    runs = layouts[1]
    text = next(place for place, run in enumerate(runs) if run.text is not None)
    before = [number for run in runs[:text] for number in run.specials.ids.tolist()]
    corpora = read_corpora(start, tokenizer, params.held_out_share, Framing(tuple(before), (int(end),)))
    rows, held_out = (PackedRows(corpus, params.max_tokens) for corpus in corpora)
    model, new = read_language_model(AutoModelForCausalLM, start.base, len(start.tokenizer))
    model.config.use_cache = False  # one pass over a row is all that is asked
    learnt = learn_rows(Loaded(model, model, new), (rows, held_out), NextTokens(), start, params)
    model.config.use_cache = True
    return learnt
