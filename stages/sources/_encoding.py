"""The lines of a file as text, strictly in the encoding that the parameters name.

A row that does not fit is handed on marked, to be set aside; a file whose rows mostly do not fit is in another
encoding, which is an error that names the likely one. No byte is ever guessed away.
"""

import codecs
import re
import string
from collections.abc import Iterator

from charset_normalizer import from_bytes

from stages.shared.errors import DataError
from stages.sources._bytes import blocks
from stages.sources._records import Input, too_long

_FEW = 2  # lines that may be damaged rather than in another encoding
_SAMPLE = 64 << 10  # bytes of odd lines kept for the guess
_RUNS = re.compile(rb"[\x80-\xff]+")
_WESTERN = ("cp1252", "iso8859-1", "iso8859-15")
_EASTERN = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"]


def _is_eastern(sample: bytes) -> bool:
    """Whether bytes beyond ASCII are so many, or stand in such long runs, as in scripts other than the Latin one.

    Runs count from four: in western text two accented letters may meet, and garbled UTF-8 makes groups of two or three.
    """
    runs = [len(run) for run in _RUNS.findall(sample)]
    return sum(length for length in runs if length >= 4) > sum(runs) / 2 or sum(runs) > 0.35 * len(sample)


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _begins_as_utf8(block: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return False
    return True


def likely_encodings(sample: bytes) -> list[str]:
    """The encodings that whole lines of a file are probably in, best first; each decodes all of the sample."""
    if _decodes(sample, "utf-8"):
        return ["utf-8"]
    if not _is_eastern(sample):
        return [name for name in ("cp1252", "latin-1") if _decodes(sample, name)]
    guessed = [match.encoding for match in from_bytes(sample, cp_isolation=_EASTERN)]
    return [name for name in guessed if _decodes(sample, name)][:2] or ["latin-1"]


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, told by a byte order mark or by the NUL bytes of ASCII characters; else None."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd <= len(head) / 10 or min(even, odd) > max(even, odd) / 10:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _is_wide(encoding: str) -> bool:
    """Whether ASCII characters are other bytes in this encoding, so that bytes cannot be cut at line ends."""
    return string.printable.encode(encoding, "replace") != string.printable.encode("ascii")


def _use(encodings: list[str]) -> str:
    return f"It is probably {' or '.join(encodings)}: set ingest.source.encoding: {encodings[0]}"


def _reason(error: UnicodeError, offset: int) -> str:
    """What is wrong, and where; `offset` is that of the bytes at which decoding began."""
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} near byte offset {offset + error.start:,}"
    return str(error)


def _narrowed(source: Input) -> Iterator[bytes]:
    """The blocks of a file in UTF-16 or the like, as UTF-8."""
    decoder = codecs.getincrementaldecoder(source.encoding)()
    offset = 0
    for block in blocks(source.path):
        if not offset and _wide_encoding(block[:4096]) is None and b"\0" not in block and _begins_as_utf8(block):
            raise DataError(f"{source.name}: is not {source.encoding}. {_use(['utf-8'])}.")
        try:
            yield decoder.decode(block).encode("utf-8")
        except UnicodeError as error:
            raise DataError(
                f"{source.name}: is not {source.encoding}: {_reason(error, offset)}. Set ingest.source.encoding to the "
                f"file's own, as utf-16-le where no byte order mark says it, or convert the file to UTF-8."
            ) from None
        offset += len(block)
    if decoder.getstate()[0]:
        raise DataError(f"{source.name}: ends inside a character of {source.encoding}. Fetch it again.")


def narrow_blocks(source: Input) -> tuple[Iterator[bytes], str]:
    """The blocks of a file in an encoding where line ends are single bytes, and the name of that encoding.

    Raises:
        DataError: the file is in UTF-16 or UTF-32 and the parameters name something else, or the other way round.
    """
    if _is_wide(source.encoding):
        return _narrowed(source), "utf-8"
    return _narrow(source), source.encoding


def _narrow(source: Input) -> Iterator[bytes]:
    for index, block in enumerate(blocks(source.path)):
        if index == 0 and (wide := _wide_encoding(block[:4096])):
            raise DataError(f"{source.name}: is not {source.encoding}, from its first bytes on. {_use([wide])}.")
        yield block


class Lines:
    """The lines of a file, each with its line end (LF, CRLF or CR; no other character ends a line).

    A line that the encoding does not fit comes as ASCII with each other byte as a lone surrogate.

    Raises:
        DataError: while iterating: a line without end; at the end: the file is in another encoding.
    """

    def __init__(self, source: Input) -> None:
        self.source = source
        self.blocks, self.encoding = narrow_blocks(source)
        self.bad = self.odd = self.read = self.offset = 0
        self.bad_or_odd_utf8 = self.utf8_surplus = 0
        self.first: tuple[int, int, int] | None = None
        self.sample = bytearray()

    def __iter__(self) -> Iterator[str]:
        for piece in self._whole_lines():
            for line in piece.splitlines(keepends=True):
                self.read += 1
                yield self._decode(line)
                self.offset += len(line)
        self._judge()

    def _whole_lines(self) -> Iterator[bytes]:
        rest = b""
        for block in self._without_mark():
            rest += block
            end = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, len(rest) - 1)) + 1  # a last CR may be half a CRLF
            if end:
                yield rest[:end]
                rest = rest[end:]
            elif len(rest) > self.source.max_line_bytes:
                raise too_long(self.source, str(self.read + 1), f"a line of more than {len(rest):,} bytes")
        yield rest

    def _without_mark(self) -> Iterator[bytes]:
        first = next(self.blocks, b"")
        marked = first.startswith(codecs.BOM_UTF8)
        if marked and self.encoding != "utf-8":
            raise DataError(f"{self.source.name}: begins with the mark of UTF-8. {_use(['utf-8'])}.")
        self.offset = len(codecs.BOM_UTF8) if marked else 0
        yield first[self.offset :]
        yield from self.blocks

    def _decode(self, line: bytes) -> str:
        try:
            text = line.decode(self.encoding)
        except UnicodeDecodeError as error:
            self.bad += 1
            self._keep(line)
            if self.first is None:
                self.first = (self.read, self.offset + error.start, line[error.start])
            return line.decode("ascii", "surrogateescape")
        if not line.isascii():
            self.odd += 1
            if self.encoding != "utf-8":
                self._keep(line)
        return text

    def _keep(self, line: bytes) -> None:
        """Remember what tells one encoding from another."""
        if len(self.sample) < _SAMPLE:
            self.sample += line[:_SAMPLE]
        if self.encoding != "utf-8" and _decodes(line, "utf-8"):
            self.bad_or_odd_utf8 += 1
            self.utf8_surplus += len(line) - len(line.decode("utf-8"))

    def _judge(self) -> None:
        if self.bad > _FEW and self.bad > self.odd:
            raise self.wrong_encoding()
        name, declared = self.source.name, self.source.encoding
        if self.utf8_surplus > _FEW and self.bad_or_odd_utf8 == self.bad + self.odd:
            raise DataError(f"{name}: is not {declared}: all its bytes are valid UTF-8. {_use(['utf-8'])}.")
        if self.encoding in _WESTERN and self.odd > _FEW and _is_eastern(bytes(self.sample)):
            raise DataError(
                f"{name}: read as {declared} its text would be garbled: bytes beyond ASCII stand together, as they do "
                f"in no western European text. {_use(likely_encodings(bytes(self.sample)))}."
            )

    def wrong_encoding(self) -> DataError:
        """The error that names the first byte that does not fit, and the likely encoding."""
        line, offset, byte = self.first or (0, 0, 0)
        return DataError(
            f"{self.source.name}:{line}: the file is not {self.source.encoding}: byte 0x{byte:02X} at byte offset "
            f"{offset:,} does not fit, nor do {self.bad - 1:,} other lines of the {self.read:,} read. "
            f"{_use(likely_encodings(bytes(self.sample)))}, or convert the file to UTF-8."
        )
