"""Only the words that the training texts hold are trained: the others have no gradient, whatever the texts teach.

Of a table of 30,000 words a small data set uses a few thousand. AdamW with a gradient of nothing shrinks a row by the
weight decay and does no more, so that the rows not in use are shrunk at once where they are next read: the result is
what the whole table would have become, and the optimiser and the gradient have a fraction of its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from stages.shared.fitting.data import Data
from stages.shared.fitting_params import Fitting
from stages.shared.layers import body_of

WORTH = 0.8  # with a larger share of the words in use it gains next to nothing


def _table_of(model: PreTrainedModel) -> Any:
    """What the model reads words by; None where it has no such table, or does not tell."""
    try:
        return getattr(body_of(model), "get_input_embeddings", lambda: None)()
    except NotImplementedError:
        return None


def _whole_table(model: PreTrainedModel, data: Data, values: Fitting) -> nn.Embedding | None:
    """The table of words, where its rows can be told apart: trained, of one use, by AdamW alone, of known texts."""
    plain = values.optimizer == "adamw" and values.average_decay is None and not values.gradient_noise
    if not plain or values.learning_rate == "find" or values.precision == "float16" or model.config.is_encoder_decoder:
        return None
    first, table = data.train[0], _table_of(model)
    if type(table) is not nn.Embedding or not table.weight.requires_grad or table.max_norm or table.sparse:
        return None
    if not hasattr(first.rows[0], "ids") or data.task.renewed(first, np.random.default_rng(0)) is not first:
        return None  # pictures, or words that are drawn anew each time
    uses = [name for name, weight in model.named_parameters(remove_duplicate=False) if weight is table.weight]
    return table if len(uses) == 1 else None


class Words:
    """A table of words of which only some rows are a parameter, as long as the model learns.

    Args:
        table: whose weight is (words, hidden); its parameter becomes (words in use, hidden).
        used: the ids in use, ascending.
    """

    def __init__(self, table: nn.Embedding, used: torch.Tensor) -> None:
        self._table, self._used, self._whole = table, used, table.weight
        self._places = torch.full((len(table.weight),), -1, device=used.device)
        self._places[used] = torch.arange(len(used), device=used.device)
        self._rest = torch.ones(len(table.weight), dtype=torch.bool, device=used.device)
        self._rest[used] = False
        self._padding = None if table.padding_idx is None else int(self._places[table.padding_idx])
        self._shrunk = 1.0
        table.weight = nn.Parameter(table.weight.detach()[used].clone())
        table.forward = self._read  # type: ignore[method-assign, assignment]
        self._hook = table.register_state_dict_post_hook(partial(self._say))  # type: ignore[no-untyped-call]

    def shrink(self, optimizer: torch.optim.Optimizer) -> None:
        """Take note of an update by AdamW: a row without gradient is multiplied by 1 - rate x decay."""
        for group in optimizer.param_groups:
            if any(weight is self._table.weight for weight in group["params"]):
                self._shrunk *= 1 - group["lr"] * group["weight_decay"]

    def state(self) -> dict[str, Any]:
        """What it takes to go on, beside the rows in use; the others are not shrunk for it, which would round."""
        return {"whole": self._whole, "shrunk": self._shrunk}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        with torch.no_grad():
            self._whole.copy_(state["whole"])
        self._shrunk = state["shrunk"]

    def whole(self) -> torch.Tensor:
        """The whole table as it is now, (words, hidden)."""
        with torch.no_grad():
            self._whole[self._used] = self._table.weight
            if self._shrunk != 1.0:
                self._whole[self._rest] *= self._shrunk
                self._shrunk = 1.0
        return self._whole

    def close(self) -> None:
        """Put the whole table back."""
        self._table.weight = nn.Parameter(self.whole().detach())
        del self._table.forward
        self._hook.remove()

    def _read(self, ids: torch.Tensor) -> torch.Tensor:
        if self._table.training:
            return nn.functional.embedding(self._places[ids], self._table.weight, self._padding)
        return nn.functional.embedding(ids, self.whole())

    def _say(self, _module: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
        state[f"{prefix}weight"] = self.whole().detach()


@contextmanager
def words_in_use(model: PreTrainedModel, data: Data, values: Fitting) -> Iterator[Words | None]:
    """Train the rows of the words in use alone, where that gives the same; None where all are trained."""
    table = _whole_table(model, data, values)
    if table is None:
        yield None
        return
    rows = [row.ids for item in data.train for row in item.rows]
    used = np.unique(np.concatenate([np.asarray(ids) for ids in [*rows, [data.padding]]]))
    if len(used) > WORTH * len(table.weight):
        yield None
        return
    words = Words(table, torch.from_numpy(used).to(table.weight.device))
    try:
        yield words
    finally:
        words.close()
