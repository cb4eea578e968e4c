"""From examples to batches and back: what the model reads of each, one padded batch, the output of each."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from serving.errors import BundleDamaged
from serving.reading import Reader, Window
from stages.shared.errors import ParamsError
from stages.shared.examples import Example

if TYPE_CHECKING:  # batches are made where there is torch already; what else is here needs none
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # what the expected arrays are padded with, and the losses leave out


class Shows(Protocol):
    """What is asked of a task here."""

    def shown(self, example: Example) -> list[tuple[str, ...]]:
        """What the model reads of an example."""
        ...

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """What the loss expects of each window."""
        ...


@dataclass(frozen=True, eq=False)
class Item:
    """What is learnt from, or predicted, as one.

    Attributes:
        example: position of its example.
        rows: what the model reads: one window, or several rows that belong together, such as question and answer.
        expected: what the loss expects.
    """

    example: int
    rows: tuple[Window, ...]
    expected: Any

    @property
    def tokens(self) -> int:
        """The tokens of its longest row."""
        return max(len(row.ids) for row in self.rows)


@dataclass(frozen=True, eq=False)
class TargetItem(Item):
    """A source that is read, and the tokens of the target that is to be written for it, as `expected`."""

    @property
    def tokens(self) -> int:
        """The tokens of the longer of both."""
        return max(len(self.rows[0].ids), len(self.expected))


Output: TypeAlias = "np.ndarray | list[np.ndarray]"
"""What a model gives for an item. Of several parts the first is for what is asked, the rest for what goes with it."""


def reader_of(tokenizer: PreTrainedTokenizerBase, settings: Mapping[str, Any]) -> Reader:
    """The reader that production has, for a tokenizer as training has it."""
    backend: Tokenizer = tokenizer.backend_tokenizer
    return Reader(backend, settings)


@contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection meanwhile: where many objects are made and none is dropped, it looks at all for nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_without_collection()
def items_of(task: Shows, reader: Reader, examples: Sequence[Example]) -> list[Item]:
    """The items of the examples, in order: one for each window, or one for the rows that belong together.

    Raises:
        ParamsError: max_tokens leaves no room for a text.
    """
    shown = [task.shown(example) for example in examples]
    try:
        read = iter(reader.read_all([texts for several in shown for texts in several]))
    except BundleDamaged as error:  # of settings that come from params.yaml here
        raise ParamsError(f"task, train.method: {error}") from None
    items: list[Item] = []
    for position, (example, several) in enumerate(zip(examples, shown, strict=True)):
        readings = [next(read) for _ in several]
        windows = readings[0].windows if len(several) == 1 else [reading.windows[0] for reading in readings]
        expected = task.expected(example, windows)
        if len(several) == 1:
            items += [Item(position, (row,), wanted) for row, wanted in zip(windows, expected, strict=True)]
        else:
            items.append(Item(position, tuple(windows), expected[0]))
    return items


def _stacked(values: Sequence[Any]) -> torch.Tensor:
    """Numbers, or arrays padded on their first axis, as one tensor."""
    import torch

    if isinstance(values[0], int | float):
        return torch.from_numpy(np.array(values))
    arrays = [np.asarray(value) for value in values]
    if not arrays[0].ndim:
        return torch.from_numpy(np.stack(arrays))
    shape = (len(arrays), max(len(array) for array in arrays), *arrays[0].shape[1:])
    padded = np.full(shape, IGNORED, np.result_type(*arrays))
    for place, array in enumerate(arrays):
        padded[place, : len(array)] = array
    return torch.from_numpy(padded)


def collate(items: Sequence[Item], padding: int) -> dict[str, torch.Tensor]:
    """One batch, padded to its longest row.

    Returns:
        "input_ids", "attention_mask", "token_type_ids": int64 (rows, tokens), the rows of an item one after the other;
        "expected": of each item.
    """
    import torch

    rows = [row for item in items for row in item.rows]
    lengths = np.array([len(row.ids) for row in rows])
    is_token = np.arange(lengths.max()) < lengths[:, None]
    ids, types = np.full(is_token.shape, padding, np.int64), np.zeros(is_token.shape, np.int64)
    ids[is_token] = list(chain.from_iterable([row.ids for row in rows]))
    types[is_token] = list(chain.from_iterable([row.type_ids for row in rows]))
    arrays = {"input_ids": ids, "attention_mask": is_token.astype(np.int64), "token_type_ids": types}
    return {
        **{name: torch.from_numpy(array) for name, array in arrays.items()},
        "expected": _stacked([item.expected for item in items]),
    }


def outputs_of(logits: np.ndarray, items: Sequence[Item]) -> list[Output]:
    """The output of each item of a batch, without padding: (outputs,), (tokens, outputs), or (hidden,) of each row."""
    found: list[Output] = []
    start = 0
    for item in items:
        here = logits[start : start + len(item.rows)]
        start += len(item.rows)
        if len(item.rows) > 1:
            found.append(list(here))
        else:
            found.append(here[0, : item.tokens] if here.ndim == 3 else here[0])
    return found
