"""Unlabelled text as tokens in files: made a block at a time, read where it is needed, never all in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO

import numpy as np
from tokenizers import Encoding, Tokenizer

from serving.words import parted_words
from stages.shared.progress import Progress

BLOCK = 1_000_000  # characters tokenised at once
BEGINS = np.uint32(1 << 31)  # added to the id of a token that begins a word


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents as tokens, in files that are read where they are touched.

    Attributes:
        tokens: of all documents, one after the other: their ids, with BEGINS where a word begins, uint32.
        starts: where each document begins, and where the last one ends, int64 of shape (documents + 1,).
    """

    tokens: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def ids(self, start: int, end: int) -> np.ndarray:
        """The ids of a stretch, int64."""
        return np.asarray(self.tokens[start:end] & ~BEGINS, np.int64)

    def words(self, start: int, end: int) -> np.ndarray:
        """The number of the word that each token of a stretch is of, from 0."""
        begins = (self.tokens[start:end] & BEGINS) > 0
        return np.asarray(np.cumsum(begins) - begins[:1].sum())


def is_held_out(document: str, share: float) -> bool:
    """Whether a document is never learnt from: the same answer for the same text, whatever stands around it."""
    number = int.from_bytes(blake2b(document.encode(), digest_size=8).digest(), "big")
    return number < share * 2**64


def blocks_of(documents: Iterable[str], size: int) -> Iterator[list[str]]:
    """The documents in lists of about so many characters."""
    block: list[str] = []
    characters = 0
    for document in documents:
        block.append(document)
        characters += len(document)
        if characters >= size:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _begins(encoding: Encoding, document: str) -> np.ndarray:
    """Whether each token begins a word, as `serving.words` parts them."""
    offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    words = np.array([-1 if word is None else word for word in encoding.word_ids], np.int32)
    return np.asarray(np.diff(parted_words(words, offsets, document), prepend=-1) != 0)


class _Writer:
    """A corpus that is being written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.total = folder, 0
        self.tokens: IO[bytes] = (folder / "tokens.bin").open("wb")
        self.starts: IO[bytes] = (folder / "starts.bin").open("wb")
        self.starts.write(np.int64(0).tobytes())

    def add(self, tokens: np.ndarray) -> None:
        if len(tokens):
            self.total += len(tokens)
            self.tokens.write(tokens.astype(np.uint32).tobytes())
            self.starts.write(np.int64(self.total).tobytes())

    def close(self) -> Corpus:
        self.tokens.close()
        self.starts.close()
        if not self.total:
            return Corpus(np.empty(0, np.uint32), np.zeros(1, np.int64))
        tokens = np.memmap(self.folder / "tokens.bin", np.uint32, "r")
        return Corpus(tokens, np.memmap(self.folder / "starts.bin", np.int64, "r"))


@dataclass(frozen=True)
class Framing:
    """What stands before and after the tokens of each document, as ids."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def tokenize(
    documents: Iterable[str], tokenizer: Tokenizer, folder: Path, held_out_share: float, framing: Framing
) -> tuple[Corpus, Corpus]:
    """The documents that are learnt from, and those that are held out, as tokens in files of `folder`.

    Args:
        documents: clean texts; they are read once, a block at a time.
        tokenizer: that neither pads nor cuts.
        folder: an empty one.
        held_out_share: fraction of the documents.
        framing: of each document.
    """
    learnt, held_out = _Writer(folder / "learnt"), _Writer(folder / "held_out")
    before, after = (np.array(ids, np.uint32) | BEGINS for ids in (framing.before, framing.after))
    with Progress("tokenize", 0, "characters") as progress:
        for block in blocks_of(documents, BLOCK):
            for document, encoding in zip(block, tokenizer.encode_batch(block, add_special_tokens=False), strict=True):
                own = np.array(encoding.ids, np.uint32)
                own[_begins(encoding, document)] |= BEGINS
                writer = held_out if is_held_out(document, held_out_share) else learnt
                writer.add(np.concatenate([before, own, after]) if len(own) else own)
            progress.advance(sum(map(len, block)))
    return learnt.close(), held_out.close()
