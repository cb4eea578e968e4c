"""JSON, JSON lines, Parquet, and lines that a regular expression takes apart."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared.errors import DataError
from stages.sources._bytes import seekable
from stages.sources._encoding import Lines, narrow_blocks
from stages.sources._records import Input, Record, check_columns, text_fault, too_long

_BATCH = 2_000  # rows of a Parquet file held at once
_SPACES = re.compile(r"[ \t\r\n]*")  # what JSON calls white space


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

    def record(self, number: str, item: Any) -> Record:
        self._rows += 1
        if not isinstance(item, dict):
            return Record(number, {}, f"is no JSON object but {_kind(item)}")
        if len(self._seen) < 1_000:
            self._seen.update(dict.fromkeys(item))
        columns = self._source.columns
        values = {name: item[column] for name, column in columns.items() if column in item}
        missing = [f"'{column}'" for column in columns.values() if column not in item]
        fault = f"has no {' and no '.join(missing)}" if missing else text_fault(values, self._source.encoding)
        return Record(number, values, fault)

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
            yield objects.record(str(number), item)
    objects.check()


class _Array:
    """The items of a JSON array, read from pieces of text, of which only what one item needs is kept."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._pieces = self._decoded()
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._line = "", 0, 1

    def _decoded(self) -> Iterator[str]:
        blocks, encoding = narrow_blocks(self._source)
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        offset = 0
        for block in blocks:
            try:
                yield decoder.decode(block)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self._source.name}: is not {self._source.encoding}: {error.reason} near byte offset "
                    f"{offset + error.start:,}. Set ingest.source.encoding to the file's own; JSON should be utf-8."
                ) from None
            offset += len(block)

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def error(self, what: str, at: int | None = None) -> DataError:
        """The error of a file that is no array of objects, at a place in the text held, by default the present one."""
        at = self._at if at is None else at
        line = self._line + self._text.count("\n", 0, at)
        return DataError(
            f"{self._source.name}:{line}: is no JSON array of objects: {what}. Mend the file, or set "
            f"ingest.source.format: jsonl if each line is an object of its own."
        )

    def next_character(self) -> str:
        """Skip white space and give the character after it without taking it; empty at the end of the file."""
        while True:
            space = _SPACES.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """Take the next character, which must be one of those expected."""
        found = self.next_character()
        if not found or found not in expected:
            raise self.error(f"'{found}' where one of {' '.join(expected)} should be")
        self._at += 1
        return found

    def value(self) -> Any:
        """Take the next item."""
        while True:
            try:
                item, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.error("it is nested too deeply") from None
            except ValueError as error:
                if len(self._text) - self._at > self._source.max_line_bytes:
                    raise too_long(self._source, str(self._line), "an item is too long, or is no JSON") from None
                if not self._more():
                    raise self.error(str(error).partition(": line")[0], getattr(error, "pos", self._at)) from None
                continue
            if end < len(self._text) or not self._more():  # a number may go on in the next piece
                self._at = end
                return item


def json_array(source: Input) -> Iterator[Record]:
    """A record for each item of a file that is one JSON array; an item's place is its number, from 1."""
    array, objects, number = _Array(source), _Objects(source), 0
    if not array.next_character():
        return
    array.take("[")
    if array.next_character() == "]":
        array.take("]")
        return
    after = ","
    while after == ",":
        array.next_character()
        number += 1
        yield objects.record(f"item {number}", array.value())
        after = array.take(",]")
    if array.next_character():
        raise array.error("text after its end")
    objects.check()


def parquet(source: Input) -> Iterator[Record]:
    """A record for each row of a Parquet file; a row's place is its number, from 1."""
    with seekable(source.path) as stream:
        try:
            file = pq.ParquetFile(stream)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{source.name}: is no Parquet file, or is cut: {error}") from None
        check_columns(source.name, file.schema_arrow.names, source.columns)
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(dict.fromkeys(source.columns.values()))):
            yield from _batch_records(source, batch, number)
            number += batch.num_rows


def _batch_records(source: Input, batch: pa.RecordBatch, before: int) -> Iterator[Record]:
    """The records of a batch; one by one where a value is not valid UTF-8, so that only its own row is at fault."""
    try:
        columns = {name: batch.column(column).to_pylist() for name, column in source.columns.items()}
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            yield Record(f"row {before + 1}", {}, "holds bytes that are not valid utf-8")
            return
        for index in range(batch.num_rows):
            yield from _batch_records(source, batch.slice(index, 1), before + index)
        return
    for index in range(batch.num_rows):
        values = {name: column[index] for name, column in columns.items()}
        yield Record(f"row {before + index + 1}", values, text_fault(values, "utf-8"))
