"""Rows with hidden tokens, and the pairs of stretches beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining

from serving.reading import Places, Window
from stages.objectives import Learnt, Start
from stages.objectives._at_places import AtPlaces, Said
from stages.objectives._learning import (
    PRIMARY,
    Loaded,
    Sums,
    language_figures,
    learn_rows,
    open_tokenizer,
    read_corpora,
)
from stages.objectives._stretches import Stretches, framed
from stages.shared.bodies import read_language_model
from stages.shared.corpus import Framing
from stages.shared.fitting import make_repeatable
from stages.shared.items import IGNORED, Item, collate
from stages.shared.masking import Masking, expected_at, masking_for

if TYPE_CHECKING:
    from stages.tasks import Batch

FOLLOWS, RANDOM = 0, 1  # what BERT's head for pairs says


@dataclass(frozen=True, eq=False)
class HiddenItem(Item):
    """A row with hidden tokens, and whether its second text follows the first, None of a single text."""

    pair: int | None


@dataclass(frozen=True, eq=False)
class Hiding:
    """What is learnt of each row; see `stages.objectives._learning.Lesson`.

    Attributes:
        masking: which tokens are hidden.
        rows: the stretches that are learnt from; random ones are of these, also for measuring.
        pairs: whether a stretch is cut in two, and half of the second parts are random ones.
    """

    masking: Masking
    rows: Stretches
    pairs: bool
    primary: str = PRIMARY

    def renewed(self, item: Item, random: np.random.Generator) -> HiddenItem:
        """The row with other tokens hidden, and of two texts cut at another place."""
        given = item.rows[0]
        parts = [(np.array(given.ids, np.int64), given.word_of)]
        pair = None
        if self.pairs:
            parts, pair = self._cut(parts[0], item.example, random)
        row = framed(self.rows.layout, parts)
        places = self.masking.choose(row.words, random)
        shown = self.masking.hide(row.ids, places, random)
        window = Window(shown.tolist(), row.types, Places(np.empty(0), np.empty(0), row.words))
        return HiddenItem(item.example, (window,), expected_at(row.ids, places), pair)

    def _cut(self, part: Any, position: int, random: np.random.Generator) -> tuple[list[Any], int]:
        ids, words = part
        place = int(random.integers(1, len(ids)))
        first = ids[:place], words[:place]
        if random.random() < 0.5:
            return [first, (ids[place:], words[place:])], FOLLOWS
        other = (position + int(random.integers(1, max(2, len(self.rows))))) % len(self.rows)
        second = self.rows.part(other)
        room = self.rows.room - place
        return [first, (second[0][:room], second[1][:room])], RANDOM

    def batch(self, items: Sequence[Item], padding: int) -> Batch:
        """The rows padded to the longest; "places" of hidden tokens, and as "expected" their ids, then the pairs."""
        batch = collate(items, padding)
        flat = batch["expected"].flatten()
        places = torch.nonzero(flat != IGNORED).flatten()
        pairs = [item.pair for item in items if isinstance(item, HiddenItem) and item.pair is not None]
        expected = torch.cat([flat[places], torch.tensor(pairs, dtype=torch.int64)])
        return {**batch, "places": places, "expected": expected}

    def loss_sum(self, logits: Said, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of the hidden tokens, in nats; that of the pairs counts as much, taken together."""
        count = len(batch["places"])
        expected, pairs = batch["expected"][:count], batch["expected"][count:]
        loss = cross_entropy(logits.words.float(), expected, reduction="sum")
        if logits.pairs is not None and len(pairs):
            loss = loss + cross_entropy(logits.pairs.float(), pairs) * count
        return loss

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The hidden tokens, a scalar."""
        return torch.tensor(len(batch["places"])).clamp(min=1)

    def sums(self, logits: Said, batch: Batch) -> Sums:
        """Log probability, tokens, tokens held likeliest; pairs, pairs told right."""
        count = len(batch["places"])
        expected, pairs = batch["expected"][:count], batch["expected"][count:]
        loss = cross_entropy(logits.words.float(), expected, reduction="sum").item()
        right = (logits.words.argmax(dim=-1) == expected).sum().item()
        told = 0 if logits.pairs is None else (logits.pairs.argmax(dim=-1) == pairs).sum().item()
        return np.array([-loss, count, right, len(pairs), told], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        """Of the hidden tokens, and the accuracy of the pairs where there are any."""
        pairs = {"pair_accuracy": float(sums[4] / sums[3])} if sums[3] else {}
        return {**language_figures(sums), **pairs}


def learn_hidden(start: Start, params: Any) -> Learnt:
    """Learn to find hidden tokens; see the contract of an objective, and Params of masked_lm."""
    make_repeatable(start.seed, params.threads)
    masking = masking_for(start.tokenizer, params.masked_share, params.whole_words)
    tokenizer, layouts = open_tokenizer(start)
    corpora = read_corpora(start, tokenizer, params.held_out_share, Framing((), ()))
    texts = 2 if params.next_sentence else 1
    rows, held_out = (Stretches(corpus, layouts, texts, params.max_tokens) for corpus in corpora)
    kind = AutoModelForPreTraining if params.next_sentence else AutoModelForMaskedLM
    model, new = read_language_model(kind, start.base, len(start.tokenizer))
    loaded = Loaded(AtPlaces(model), model, new)
    return learn_rows(loaded, (rows, held_out), Hiding(masking, rows, params.next_sentence), start, params)
