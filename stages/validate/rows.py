"""One row of figures per example: what the expectations look at instead of the texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase as Tokenizer

from serving.text import matching_key
from stages.shared.examples import Example, features
from stages.shared.params import SPLITS
from stages.tasks import Task

BATCH = 5_000
_BETWEEN_TEXTS = "\x1f"  # a control character: no cleaned text holds one
_COLUMNS = {
    "split": "str",
    "id": "str",
    "source": "str",
    "parent": "str",
    "key": "str",
    "answer": "str",
    "answer_fault": "str",
    "shortest": "int32",
    "longest": "int32",
    "tokens": "int32",
    "unknown_tokens": "int32",
}


def schema_frame(ingested: Path, task: Task) -> pd.DataFrame:
    """One row per split and column: its type as it should be and as it is, `none` where there is no such column."""
    expected = {field.name: str(field.type) for field in features(task.COLUMNS).arrow_schema}
    rows = []
    for split in SPLITS:
        file = ingested / f"{split}.parquet"
        found = {field.name: str(field.type) for field in pq.read_schema(file)} if file.is_file() else {}
        rows += [
            {"split": split, "column": name, "found": found.get(name, "none"), "expected": expected.get(name, "none")}
            for name in [*expected, *(found.keys() - expected.keys())]
        ]
    return pd.DataFrame(rows).sort_values(["split", "column"], ignore_index=True)


def batches_of(folder: Path, split: str) -> Iterator[list[Example]]:
    """The examples of a split, some at a time."""
    for batch in pq.ParquetFile(folder / f"{split}.parquet").iter_batches(batch_size=BATCH):
        yield batch.to_pylist()


def count_tokens(
    texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Tokens of each example, special ones included and nothing cut, and how many are unknown ones."""
    flat = [text for several in texts for text in several]
    owner = np.repeat(np.arange(len(texts)), [len(several) for several in texts])
    encoded = tokenizer(
        flat,
        add_special_tokens=False,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    unknown = tokenizer.unk_token_id
    tokens = np.bincount(owner, [len(ids) for ids in encoded], len(texts))
    unknown_tokens = np.bincount(owner, [ids.count(unknown) for ids in encoded], len(texts))
    special = [tokenizer.num_special_tokens_to_add(pair=len(several) > 1) for several in texts]
    return (tokens + special).astype(np.int32), unknown_tokens.astype(np.int32)


def _figures(split: str, examples: list[Example], task: Task, params: Any, tokenizer: Tokenizer) -> pd.DataFrame:
    texts = [tuple(text or "" for text in task.texts(example)) for example in examples]
    keys = [[matching_key(text) for text in several] for several in texts]
    lengths = [[len(text) for text in several] for several in texts]
    tokens, unknown_tokens = count_tokens(texts, tokenizer)
    columns = {
        "split": [split] * len(examples),
        "id": [example["id"] for example in examples],
        "source": [example["source"] for example in examples],
        "parent": [example["parent"] or "" for example in examples],
        "key": [_BETWEEN_TEXTS.join(several) if all(several) else None for several in keys],
        "answer": [task.answer(example) for example in examples],
        "answer_fault": [task.fault(example, params) for example in examples],
        "shortest": [min(several) for several in lengths],
        "longest": [max(several) for several in lengths],
        "tokens": tokens,
        "unknown_tokens": unknown_tokens,
    }
    return pd.DataFrame(columns).astype(_COLUMNS)


def read_rows(ingested: Path, task: Task, params: Any, tokenizer: Tokenizer) -> pd.DataFrame:
    """The figures of every example of every split, in the order of the files.

    Columns: split, id, source, parent; key (what equal texts share, null when a text is empty); answer; answer_fault
    (null when there is none); shortest, longest (characters of the example's texts); tokens, unknown_tokens.
    """
    frames = [
        _figures(split, examples, task, params, tokenizer)
        for split in SPLITS
        for examples in batches_of(ingested, split)
    ]
    empty = pd.DataFrame({name: [] for name in _COLUMNS}).astype(_COLUMNS)
    return pd.concat(frames or [empty], ignore_index=True)
