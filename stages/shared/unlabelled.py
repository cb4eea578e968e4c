"""Unlabelled text, a document at a time: the training split of the task, or .txt files of its own."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow.parquet as pq

from serving.text import clean
from stages.shared.errors import DataError
from stages.shared.examples import ROWS_AT_A_TIME

SPLIT = "train.parquet"  # of a folder that a stage wrote; validation and test are never read
ENDINGS = (".txt", ".txt.gz")
LONGEST = 1_000_000  # characters read at once: a longer line comes in pieces


@dataclass(frozen=True)
class Text:
    """Where unlabelled text lies.

    Attributes:
        path: the output of a stage, of which the training split is read; or a .txt or .txt.gz file; or their folder.
        columns: those of the split that hold texts.
        documents: what a document is of a .txt file.
        key: of params.yaml that names the path.
    """

    path: Path
    columns: Sequence[str]
    documents: Literal["line", "paragraph"]
    key: str

    def read(self) -> Iterator[str]:
        """The documents, clean, none empty; those of the training split each once.

        Raises:
            DataError: there is no text, or a file is not UTF-8.
        """
        empty = True
        for document in self._given():
            cleaned = clean(document)
            if cleaned:
                empty = False
                yield cleaned
        if empty:
            raise DataError(f"{self.key}: {self.path}: there is no text in it.")

    def _given(self) -> Iterator[str]:
        if (self.path / SPLIT).is_file():
            yield from self._of_split()
            return
        for file in self._files():
            yield from self._lines(file) if self.documents == "line" else _paragraphs(self._lines(file))

    def _files(self) -> list[Path]:
        files = files_of(self.path)
        if not files:
            raise DataError(
                f"{self.key}: {self.path}: holds neither {SPLIT}, as the output of a stage does, nor a .txt or .txt.gz "
                f"file."
            )
        return files

    def _of_split(self) -> Iterator[str]:
        seen: set[bytes] = set()  # hashes, not texts: those of a large split would not fit
        for batch in pq.ParquetFile(self.path / SPLIT).iter_batches(ROWS_AT_A_TIME, columns=list(self.columns)):
            for row in batch.to_pylist():
                for text in row.values():
                    digest = blake2b(text.encode(), digest_size=12).digest()
                    if digest not in seen:
                        seen.add(digest)
                        yield text

    def _lines(self, file: Path) -> Iterator[str]:
        number = 0
        try:
            with _opened(file) as lines:
                while line := lines.readline(LONGEST):
                    number += 1
                    yield line
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.key}: {file}: near line {number + 1}: is not UTF-8: {error.reason}. Convert the file."
            ) from None
        except (gzip.BadGzipFile, EOFError) as error:
            raise DataError(f"{self.key}: {file}: is no whole gzip file: {error}.") from None


def _opened(file: Path) -> IO[str]:
    kind: Any = gzip.open if file.suffix == ".gz" else open
    opened: IO[str] = kind(file, "rt", encoding="utf-8-sig")
    return opened


def _paragraphs(lines: Iterator[str]) -> Iterator[str]:
    """The lines up to an empty one, as one document; a long one comes in pieces."""
    paragraph: list[str] = []
    size = 0
    for line in lines:
        if (not line.strip() and paragraph) or size > LONGEST:
            yield " ".join(paragraph)
            paragraph, size = [], 0
        paragraph.append(line)
        size += len(line)
    yield " ".join(paragraph)


def files_of(path: Path) -> list[Path]:
    """The .txt and .txt.gz files of a path, in the order of their names."""
    found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return [file for file in found if file.name.endswith(ENDINGS)]
