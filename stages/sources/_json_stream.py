"""A JSON document read in pieces, so that a large one is never in memory as a whole."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from stages.shared.errors import DataError
from stages.sources._encoding import narrow_blocks
from stages.sources._records import Input, too_long

_SPACES = re.compile(r"[ \t\r\n]*")  # what JSON calls white space


class JsonStream:
    """A JSON document, taken part by part from pieces of text, of which only what one part needs is kept."""

    def __init__(self, source: Input, kind: str, hint: str) -> None:
        """Read a file that should be a document of this kind; the hint says what to do when it is none."""
        self._source, self._kind, self._hint = source, kind, hint
        self._pieces = self._decoded()
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._line, self._start = "", 0, 1, 0

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
        """The error of a file that is no such document, at a place in the text held, by default the present one."""
        at = self._at if at is None else at
        line = self._line + self._text.count("\n", 0, at)
        return DataError(f"{self._source.name}:{line}: is no {self._kind}: {what}. {self._hint}")

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
            one = f"one of {' '.join(expected)}" if len(expected) > 1 else expected
            raise self.error(f"'{found}' where {one} should be" if found else f"it ends where {one} should be")
        self._at += 1
        return found

    def value(self) -> Any:
        """Take the next part, whatever it is, as a whole."""
        self.next_character()
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
                self._start, self._at = self._at, end
                return item

    @property
    def taken(self) -> str:
        """The text of the value that was taken last, before anything after it is looked at."""
        return self._text[self._start : self._at]

    def items(self) -> Iterator[None]:
        """Go through an array: stops before each item, which must be taken."""
        self.take("[")
        if self.next_character() == "]":
            self.take("]")
            return
        after = ","
        while after == ",":
            yield
            after = self.take(",]")

    def members(self) -> Iterator[str]:
        """Go through an object: stops before each value, which must be taken, and gives its name."""
        self.take("{")
        if self.next_character() == "}":
            self.take("}")
            return
        after = ","
        while after == ",":
            if self.next_character() != '"':
                self.take('"')
            name = str(self.value())
            self.take(":")
            yield name
            after = self.take(",}")

    def end(self) -> None:
        """Raise DataError unless the document ends here."""
        if self.next_character():
            raise self.error("text after its end")
