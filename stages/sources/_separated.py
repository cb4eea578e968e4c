"""CSV and TSV: records of a file with separators, every line of it accounted for.

A quote that is opened and never closed costs its own row alone: the lines that it would have swallowed are read again.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import Literal

from stages.shared.errors import DataError
from stages.sources._encoding import Lines
from stages.sources._records import Input, Record, check_columns, text_fault, too_long

_UNCLOSED = "a quote is opened and not closed, so that the row would swallow those below it (see ingest.source.quoting)"
_TRAILING = "a quote is closed inside its field, or opened and never closed (see ingest.source.quoting)"
_LOOSE = "a loose quote, after a row whose quote is not closed"

Header = Literal[True] | list[str]
_Fields = tuple[int, list[str], str | None]  # number of the first line, fields, fault


class _Feed:
    """Lines for the parser, which can be given back and read again."""

    def __init__(self, lines: Lines) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """Have all lines of this record but its first one read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


class _Parser:
    """Records of a feed, each with the number of its first line and its fault."""

    def __init__(self, source: Input, feed: _Feed, separator: str, quoted: bool) -> None:
        self._source, self._feed = source, feed
        self._in_doubt = 0
        if quoted:
            self._reader = csv.reader(feed, delimiter=separator, quotechar='"', strict=True)
        else:
            self._reader = csv.reader(feed, delimiter=separator, quoting=csv.QUOTE_NONE, strict=True)

    def records(self, width: int | None) -> Iterator[_Fields]:
        """Number, fields and fault of each record; `width` is the number of fields that it must have."""
        while True:
            self._feed.taken.clear()
            number = self._feed.number + 1
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, [], self._fault(number, str(error))
                continue
            if fields:
                yield number, fields, self._fault_of(number, fields, width)

    def _fault(self, number: int, error: str) -> str:
        """The fault of a record that is none; of one over several lines, the others are read again."""
        if len(self._feed.taken) > 1:
            self._in_doubt = max(self._in_doubt, self._feed.number)
            self._feed.give_back()
            return _UNCLOSED
        if "field limit" in error:
            raise too_long(self._source, str(number), "a field is too long")
        return _TRAILING

    def _fault_of(self, number: int, fields: list[str], width: int | None) -> str | None:
        """The fault of a record that was parsed: it has another width, or a quote where none should be."""
        fault = None
        if width is not None and len(fields) != width:
            fault = f"{len(fields)} fields where there are {width} columns"
        elif number <= self._in_doubt and any('"' in field for field in fields) and not self._has_doubled_quotes():
            fault = _LOOSE
        return self._fault(number, "") if fault and len(self._feed.taken) > 1 else fault

    def _has_doubled_quotes(self) -> bool:
        return '""' in "".join(self._feed.taken)


def _header_of(source: Input, lines: Lines, first: _Fields | None) -> list[str]:
    if first is None:
        raise DataError(f"{source.name}: is empty. It needs a header line and rows.")
    number, fields, fault = first
    if lines.bad:
        raise lines.wrong_encoding()
    if fault:
        raise DataError(f"{source.name}:{number}: the header cannot be read: {fault}.")
    return [field.strip() for field in fields]


def _hint(names: list[str], header: Header) -> str:
    """What may be the reason when the columns are not those that are wanted."""
    if len(names) == 1:
        return " Is ingest.source.separator right?"
    return " Is the first line data? Then list the columns in ingest.source.header." if header is True else ""


def separated(source: Input, header: Header, separator: str, quoted: bool) -> Iterator[Record]:
    """The records of a CSV or TSV file. Empty lines are none.

    Args:
        source: the file.
        header: the names of the columns, or True when the first line holds them.
        separator: the character between two fields.
        quoted: whether fields may stand in double quotes (RFC 4180); else a quote is a character like any other.

    Raises:
        DataError: a column is missing or named twice, a field is over the limit, the encoding is another.
    """
    lines = Lines(source)
    previous = csv.field_size_limit(source.max_field_characters)
    try:
        parser = _Parser(source, _Feed(lines), separator, quoted)
        names = _header_of(source, lines, next(parser.records(None), None)) if header is True else list(header)
        check_columns(source.name, names, source.columns, _hint(names, header))
        places = {name: names.index(column) for name, column in source.columns.items()}
        for number, fields, fault in parser.records(len(names)):
            values = {} if fault else {name: fields[place] for name, place in places.items()}
            yield Record(str(number), values, fault or text_fault(values, source.encoding))
    finally:
        csv.field_size_limit(previous)
