"""One row of figures per example: what the expectations look at instead of the texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from serving.text import matching_key
from stages.shared.examples import Example, features, pieces_of
from stages.shared.params import SPLITS
from stages.tasks import Task, texts_of
from stages.validate.near_duplicates import BETWEEN_TEXTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

_COLUMNS = {
    "split": "str",
    "id": "str",
    "source": "str",
    "parent": "str",
    "key": "str",
    "answer": "str",
    "answer_fault": "str",
    "classes": "object",
    "shortest": "int32",
    "longest": "int32",
    "tokens": "Int32",
    "all_tokens": "Int32",
    "tokens_beyond": "Int32",
    "unknown_tokens": "Int32",
}
_OF_TOKENS = ("tokens", "all_tokens", "tokens_beyond", "unknown_tokens")


def schema_frame(ingested: Path, task: Task) -> pd.DataFrame:
    """One row per split and column: its type as it should be and as it is, `none` where there is no such column."""
    expected = {field.name: field.type for field in features(task.columns).arrow_schema}
    rows = []
    for split in SPLITS:
        file = ingested / f"{split}.parquet"
        found = {field.name: field.type for field in pq.read_schema(file)} if file.is_file() else {}
        # equal types may be spelt in two ways: Parquet has a name of its own for what a list holds
        found = {name: expected[name] if expected.get(name) == kind else kind for name, kind in found.items()}
        rows += [
            {
                "split": split,
                "column": name,
                "found": str(found.get(name, "none")),
                "expected": str(expected.get(name, "none")),
            }
            for name in [*expected, *(found.keys() - expected.keys())]
        ]
    return pd.DataFrame(rows).sort_values(["split", "column"], ignore_index=True)


def batches_of(folder: Path, split: str) -> Iterator[list[Example]]:
    """The examples of a split, some at a time."""
    for piece in pieces_of(folder / f"{split}.parquet"):
        yield piece.to_pylist()


def count_tokens(
    texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokens of each text or pair of texts, special ones included and nothing cut, and how many are unknown ones."""
    different = list(dict.fromkeys(text for several in texts for text in several))
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    unknown = tokenizer.unk_token_id
    encoded = (encoding.ids for encoding in backend.encode_batch_fast(different, add_special_tokens=False))
    counts = {text: (len(ids), ids.count(unknown)) for text, ids in zip(different, encoded, strict=True)}
    special = [tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True)]
    tokens = [sum(counts[text][0] for text in several) + special[len(several) > 1] for several in texts]
    unknown_tokens = [sum(counts[text][1] for text in several) for several in texts]
    return np.array(tokens, np.int64), np.array(unknown_tokens, np.int64)


def token_figures(
    shown: Sequence[Sequence[tuple[str, ...]]], tokenizer: Tokenizer, limits: Sequence[int]
) -> dict[str, npt.NDArray[np.int64]]:
    """The tokens of each example, given what the model reads of it: one text or pair of texts, or several.

    Args:
        limits: tokens that the model reads at once of the first, the second ... of several; the last is of those after.

    Returns:
        tokens: of the longest that the model reads at once, as if the first limit were that of each; all_tokens: of all
        together; tokens_beyond: those of all_tokens that lie beyond the limit of their text; unknown_tokens: those that
        the tokenizer does not know.
    """
    flat = [texts for several in shown for texts in several]
    starts = np.cumsum([0, *(len(several) for several in shown)])[:-1]
    tokens, unknown = count_tokens(flat, tokenizer)
    own = np.array([limits[min(number, len(limits) - 1)] for several in shown for number in range(len(several))])
    return {
        "tokens": np.maximum.reduceat(tokens + limits[0] - own, starts),
        "all_tokens": np.add.reduceat(tokens, starts),
        "tokens_beyond": np.add.reduceat(np.maximum(tokens - own, 0), starts),
        "unknown_tokens": np.add.reduceat(unknown, starts),
    }


class _Judged(NamedTuple):
    """What the task says of an example; of one at fault nothing more is asked, and its texts are measured as they are.

    Attributes:
        shown: what the model reads.
    """

    fault: str | None
    answer: str
    classes: tuple[str, ...]
    shown: list[tuple[str, ...]]


def _judge(task: Task, example: Example) -> _Judged:
    fault = task.fault(example)
    if fault is not None:
        return _Judged(fault, "", (), [texts_of(task, example)])
    return _Judged(None, task.answer(example), tuple(sorted(set(task.classes(example)))), task.shown(example))


def _figures(split: str, examples: list[Example], task: Task, tokenizer: Tokenizer | None) -> pd.DataFrame:
    texts = [texts_of(task, example) for example in examples]
    keys = [[matching_key(text) for text in several] for several in texts]
    lengths = [[len(text) for text in several] for several in texts]
    judged = [_judge(task, example) for example in examples]
    columns = {
        "split": [split] * len(examples),
        "id": [example["id"] for example in examples],
        "source": [example["source"] for example in examples],
        "parent": [example["parent"] or "" for example in examples],
        "key": [BETWEEN_TEXTS.join(several) if all(several) else None for several in keys],
        "answer": [one.answer for one in judged],
        "answer_fault": [one.fault for one in judged],
        "classes": [one.classes for one in judged],
        "shortest": [min(several) for several in lengths],
        "longest": [max(several) for several in lengths],
        **(
            {name: [None] * len(examples) for name in _OF_TOKENS}
            if tokenizer is None
            else token_figures([one.shown for one in judged], tokenizer, task.limits)
        ),
    }
    return pd.DataFrame(columns).astype(_COLUMNS)


def read_rows(ingested: Path, task: Task, tokenizer: Tokenizer | None) -> pd.DataFrame:
    """The figures of every example of every split, in the order of the files.

    Columns: split, id, source, parent; key (what equal texts share, null when a text is empty); answer; answer_fault
    (null when there is none); classes (a tuple); shortest, longest (characters of the example's texts); and those of
    `token_figures`, null where there is no tokenizer yet.
    """
    frames = [
        _figures(split, examples, task, tokenizer) for split in SPLITS for examples in batches_of(ingested, split)
    ]
    empty = pd.DataFrame({name: [] for name in _COLUMNS}).astype(_COLUMNS)
    return pd.concat(frames or [empty], ignore_index=True)
