"""The bytes of a file, in blocks: plain or gzipped, watched for changes, and never an unpacked bomb."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stages.shared.errors import DataError

BLOCK = 1 << 20
MAX_RATIO = 200  # unpacked to packed: text seldom passes 20, a bomb reaches 1,000
RATIO_FROM = 32 << 20  # bytes unpacked before the ratio is looked at

_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "a SQLite database",
    b"PAR1": "a Parquet file (ingest.source.format: parquet)",
}
_TAR = slice(257, 262)  # where a tar archive says `ustar`
_HEAD = 512  # bytes that tell the kind of a file


def _state(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _check_unchanged(path: Path, before: tuple[int, int, int]) -> None:
    if _state(path) != before:
        raise DataError(f"{path.name}: changed while it was read. Run again when whatever writes it is done.")


def _check_kind(name: str, head: bytes) -> None:
    kinds = [kind for magic, kind in _FOREIGN.items() if head.startswith(magic)]
    if head[_TAR] == b"ustar":
        kinds = ["a tar archive"]
    if kinds:
        raise DataError(f"{name}: is {kinds[0]}. Unpack or export it: plain files and gzipped ones are read.")


def _unpacked(raw: IO[bytes], name: str) -> Iterator[bytes]:
    size = 0
    try:
        with gzip.GzipFile(fileobj=raw) as packed:
            while block := packed.read(BLOCK):
                if not size and block.startswith(_GZIP):
                    raise DataError(f"{name}: is gzipped twice. Unpack it once.")
                size += len(block)
                if size > RATIO_FROM and size > MAX_RATIO * raw.tell():
                    raise DataError(
                        f"{name}: unpacks to more than {MAX_RATIO} times its size, as no text does "
                        f"(seen after {size:,} bytes). Unpack it by hand if it is meant."
                    )
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: the gzip file is cut or damaged ({error}). Fetch it again.") from None


def _of_one_kind(unpacked: Iterator[bytes], name: str) -> Iterator[bytes]:
    for index, block in enumerate(unpacked):
        if index == 0:
            _check_kind(name, block)
        yield block


def blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked where it is gzipped, about a megabyte at a time.

    Raises:
        DataError: an archive of another kind, a cut or damaged gzip file, one that unpacks beyond `MAX_RATIO`,
            or the file changed meanwhile.
    """
    before = _state(path)
    with path.open("rb") as raw:
        head = raw.read(_HEAD)
        _check_kind(path.name, head)
        raw.seek(0)
        if head.startswith(_GZIP):
            yield from _of_one_kind(_unpacked(raw, path.name), path.name)
        else:
            while block := raw.read(BLOCK):
                yield block
    _check_unchanged(path, before)


@contextmanager
def seekable(path: Path) -> Iterator[IO[bytes]]:
    """The file, opened for reading anywhere in it; a gzipped one is unpacked to disk first."""
    before = _state(path)
    with path.open("rb") as raw:
        if raw.read(2) != _GZIP:
            yield raw
        else:
            with tempfile.TemporaryFile() as unpacked:
                raw.seek(0)
                for block in _unpacked(raw, path.name):
                    unpacked.write(block)
                yield unpacked
    _check_unchanged(path, before)
