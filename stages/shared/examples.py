"""The record that flows from stage to stage: one example, in Parquet, one file per split.

Columns of every task: `id`, `source`, `parent`, `made_by`. The task adds its own, such as `text` and `label`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features, Value, disable_progress_bars
from datasets.table import InMemoryTable

disable_progress_bars()

ROWS_AT_A_TIME = 10_000
CHARACTERS_AT_A_TIME = 50_000_000

Example = dict[str, Any]

BASE_COLUMNS = {
    "id": Value("string"),  # stable: of the row's content, or the user's own
    "source": Value("string"),  # file:line of the row as the user has it
    "parent": Value("string"),  # id of the example that this one was made from; empty for the user's own
    "made_by": Value("string"),  # how it was made, such as `synonyms:wordnet`; empty for the user's own
}


def features(task_columns: Mapping[str, Any]) -> Features:
    """The typed columns of an example, given those that the task adds."""
    return Features({**BASE_COLUMNS, **task_columns})


def write_split(folder: Path, split: str, examples: Iterable[Example], columns: Features) -> int:
    """Write `<folder>/<split>.parquet` in pieces, never all in memory, and give the number of rows."""
    schema = columns.arrow_schema
    count, characters = 0, 0
    piece: list[Example] = []
    with pq.ParquetWriter(folder / f"{split}.parquet", schema, compression="zstd") as writer:

        def flush() -> None:
            if piece:
                writer.write_table(pa.Table.from_pylist(piece, schema=schema))
                piece.clear()

        for example in examples:
            piece.append(example)
            count += 1
            characters += sum(len(value) for value in example.values() if isinstance(value, str | bytes))
            if len(piece) == ROWS_AT_A_TIME or characters > CHARACTERS_AT_A_TIME:
                flush()
                characters = 0
        flush()
    return count


def pieces_of(file: Path) -> Iterator[pa.Table]:
    """The rows of a split in the pieces that `write_split` wrote, none of which is large."""
    with pq.ParquetFile(file) as parquet:
        for number in range(parquet.num_row_groups):
            yield parquet.read_row_group(number)


def read_split(folder: Path, split: str) -> Dataset:
    """The examples of a split, also of an empty one.

    Not by `Dataset.from_parquet`: it goes through a cache in the user's home whose key is the path and the time of the
    file, not its content.
    """
    return Dataset(InMemoryTable(pq.read_table(folder / f"{split}.parquet")))


def write_rejected(folder: Path, rejected: Iterable[Mapping[str, Any]]) -> int:
    """Write `<folder>/rejected.jsonl`, one row with its place and reason a line, and give their number."""
    count = 0
    with (folder / "rejected.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in rejected:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count
