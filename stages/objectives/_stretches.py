"""The rows of a corpus: stretches of documents, each of one document, none longer than there is room for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.reading import Places, Window
from serving.tokens import Run
from stages.shared.corpus import Corpus
from stages.shared.items import Item

Part = tuple[np.ndarray, np.ndarray]  # ids and numbers of words


class Stretches:
    """Every document in as few stretches as there can be, of even length."""

    def __init__(self, corpus: Corpus, layouts: dict[int, list[Run]], texts: int, max_tokens: int) -> None:
        """Find the bounds of the rows.

        Args:
            corpus: of which documents.
            layouts: where special tokens stand around one text and two.
            texts: how many stand in a row: 2 where a stretch is cut in two.
            max_tokens: of a row.
        """
        self.corpus, self.layout = corpus, layouts[texts]
        specials = sum(len(run.specials) for run in self.layout)
        self.room = max_tokens - specials
        first, sizes = np.asarray(corpus.starts[:-1]), np.diff(corpus.starts)
        pieces = -(-sizes // self.room)
        of = np.repeat(np.arange(len(sizes)), pieces)
        number = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        begins = first[of] + number * sizes[of] // pieces[of]
        ends = first[of] + (number + 1) * sizes[of] // pieces[of]
        long_enough = ends - begins >= texts
        self.begins, self.ends = begins[long_enough], ends[long_enough]
        self.lengths = (self.ends - self.begins + specials).astype(np.int64)

    def __len__(self) -> int:
        return len(self.begins)

    def part(self, position: int) -> Part:
        """The ids and the numbers of the words of a stretch."""
        start, end = int(self.begins[position]), int(self.ends[position])
        return self.corpus.ids(start, end), self.corpus.words(start, end)

    def __getitem__(self, position: int) -> Item:
        """A stretch without special tokens, as yet with nothing hidden."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        ids, words = self.part(position)
        nowhere = np.zeros((len(ids), 2), np.int32)
        places = Places(nowhere, np.zeros(len(ids), np.int8), words.astype(np.int32))
        window = Window(ids.tolist(), [0] * len(ids), places)
        return Item(position, (window,), None)


@dataclass(frozen=True, eq=False)
class Framed:
    """A row with its special tokens: ids, types, and numbers of words, -1 for special ones."""

    ids: np.ndarray
    types: list[int]
    words: np.ndarray


def framed(layout: Sequence[Run], parts: Sequence[Part]) -> Framed:
    """The texts within the special tokens of the tokenizer."""
    ids: list[np.ndarray] = []
    words: list[np.ndarray] = []
    types: list[int] = []
    for run in layout:
        own = run.specials.ids if run.text is None else parts[run.text][0]
        ids.append(own)
        words.append(np.full(len(own), -1) if run.text is None else parts[run.text][1])
        types += [run.type_id] * len(own)
    return Framed(np.concatenate(ids), types, np.concatenate(words))
