"""JSON, JSON lines, Parquet, and lines that a regular expression takes apart."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared.errors import DataError, quoted
from stages.sources._bytes import MAX_RATIO, RATIO_FROM, seekable
from stages.sources._encoding import Lines
from stages.sources._json_stream import JsonStream
from stages.sources._records import Input, Record, check_columns, text_fault, too_long

_BATCH = 2_000  # rows of a Parquet file held at once
_BYTES = 4  # of a character in UTF-8, at most


def matched_lines(source: Input, pattern: str) -> Iterator[Record]:
    """A record for each line that is not empty: the named groups of the pattern, which must match the whole line."""
    expression = re.compile(pattern)
    for number, line in enumerate(Lines(source), start=1):
        line = line.rstrip("\r\n")
        if not line:
            continue
        match = expression.fullmatch(line)
        if match is None:
            yield Record(str(number), {}, "the line does not match ingest.source.pattern")
        else:
            values = {name: match[group] for name, group in source.columns.items()}
            yield Record(str(number), values, text_fault(values, source.encoding))


class _Objects:
    """Takes the columns from JSON objects, and notices a column that none of them has."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._seen: dict[str, None] = {}
        self._rows = 0

    def record(self, number: str, item: Any, text: str) -> Record:
        """The record of an item, given its text too, which tells what the item has twice."""
        self._rows += 1
        if not isinstance(item, dict):
            return Record(number, {}, f"is no JSON object but {_kind(item)}")
        if len(self._seen) < 1_000:
            self._seen.update(dict.fromkeys(item))
        columns = self._source.columns
        values = {name: item[column] for name, column in columns.items() if column in item}
        missing = [f"'{column}'" for column in columns.values() if column not in item]
        fault = f"has no {' and no '.join(missing)}" if missing else text_fault(values, self._source.encoding)
        return Record(number, values, fault or _named_twice(text, columns.values()))

    def check(self) -> None:
        """Raise DataError when a column was in no row at all: its name is wrong."""
        if self._rows:
            check_columns(self._source.name, list(self._seen), self._source.columns)


def _kind(item: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(item), "a number")


def json_lines(source: Input) -> Iterator[Record]:
    """A record for each line that is not blank."""
    objects = _Objects(source)
    for number, line in enumerate(Lines(source), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == 1 and line.strip() == "[":
                raise DataError(f"{source.name}: is a JSON array. Set ingest.source.format: json.") from None
            yield Record(str(number), {}, f"is no JSON: {error}")
        else:
            yield objects.record(str(number), item, line)
    objects.check()


def _named_twice(text: str, columns: Iterable[str]) -> str | None:
    """The fault of an object that names a column twice, of which only the last is read; else None."""
    doubtful = [column for column in columns if text.count(f'"{column}"') > 1]
    if not doubtful:
        return None
    names: list[list[str]] = []
    json.loads(text, object_pairs_hook=lambda pairs: names.append([name for name, _ in pairs]))
    twice = [column for column in doubtful if names[-1].count(column) > 1]  # the outermost object comes last
    return f"has {quoted(twice[0])} twice" if twice else None


def json_array(source: Input) -> Iterator[Record]:
    """A record for each item of a file that is one JSON array; an item's place is its number, from 1."""
    hint = "Mend the file, or set ingest.source.format: jsonl if each line is an object of its own."
    stream, objects = JsonStream(source, "JSON array of objects", hint), _Objects(source)
    if not stream.next_character():
        return
    for number, _ in enumerate(stream.items(), start=1):
        item = stream.value()
        yield objects.record(f"item {number}", item, stream.taken)
    stream.end()
    objects.check()


def parquet(source: Input) -> Iterator[Record]:
    """A record for each row of a Parquet file; a row's place is its number, from 1."""
    with seekable(source.path) as stream:
        try:
            file = pq.ParquetFile(stream)
            check_columns(source.name, file.schema_arrow.names, source.columns)
            _check_sizes(source, file.metadata)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(dict.fromkeys(source.columns.values()))):
                yield from _batch_records(source, batch, number)
                number += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{source.name}: is no Parquet file, or is cut or damaged: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _check_sizes(source: Input, metadata: pq.FileMetaData) -> None:
    """Raise DataError where a column that is read unpacks to more than its rows may hold, or than a bomb does not."""
    wanted = set(source.columns.values())
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            name, size = column.path_in_schema.split(".")[0], column.total_uncompressed_size
            if name not in wanted or size <= RATIO_FROM:
                continue
            if size > _BYTES * source.max_field_characters * group.num_rows:
                raise too_long(source, "rows", f"column {quoted(name)} holds {size:,} bytes in {group.num_rows:,} rows")
            if size > MAX_RATIO * column.total_compressed_size:
                raise DataError(
                    f"{source.name}: column {quoted(name)} unpacks to {size:,} bytes, more than {MAX_RATIO} times what "
                    f"it takes. Write it again without compression if it is meant."
                )


def _batch_records(source: Input, batch: pa.RecordBatch, before: int) -> Iterator[Record]:
    """The records of a batch; one by one where a value cannot be read, so that only its own row is at fault."""
    try:
        columns = {name: batch.column(column).to_pylist() for name, column in source.columns.items()}
    except (ValueError, OverflowError, pa.ArrowException) as error:
        if batch.num_rows == 1:
            is_encoding = isinstance(error, UnicodeDecodeError)
            fault = "holds bytes that are not valid utf-8" if is_encoding else f"cannot be read: {_line(error)}"
            yield Record(f"row {before + 1}", {}, fault)
            return
        for index in range(batch.num_rows):
            yield from _batch_records(source, batch.slice(index, 1), before + index)
        return
    for index in range(batch.num_rows):
        values = {name: column[index] for name, column in columns.items()}
        yield Record(f"row {before + index + 1}", values, text_fault(values, "utf-8"))
