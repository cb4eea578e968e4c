"""Plain texts for a causal language model: they are learnt from whole, and continued from their beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Value

from serving.reading import Reader
from stages.shared.examples import Example
from stages.tasks import Prediction
from stages.tasks._language_model import LanguageModel
from stages.tasks._writing import Writing, as_prediction, first_words

if TYPE_CHECKING:
    from stages.shared.items import Item


@dataclass(frozen=True)
class Continuing(LanguageModel):
    """Continuing texts. The attributes are those of Params and of the contract."""

    name: str
    reading: dict[str, Any]
    writing: Writing
    pack: bool
    shown_characters: int
    texts: tuple[str, ...] = ("text",)
    asked: tuple[str, ...] = ("text",)
    target: str = "text"

    @property
    def columns(self) -> dict[str, Any]:
        """The text."""
        return {"text": Value("string")}

    def answer(self, example: Example) -> str:
        """Nothing by itself: equal texts expect the same."""
        return ""

    def question(self, example: Example) -> tuple[str, ...]:
        """The beginning of the text."""
        return (first_words(example["text"], self.shown_characters),)

    def settings(self) -> dict[str, Any]:
        """What the server needs to know; of a longer beginning it reads the head."""
        return super().settings() | {"long_texts": "head"}

    def items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """Each text whole, in pieces where it is longer; what is asked is its beginning."""
        from stages.shared.items import IGNORED
        from stages.shared.packing import LanguageItem, pieces_of

        asked = reader.read_all([self.question(example) for example in examples])
        items: list[Item] = []
        for position, document in enumerate(self._documents(reader, examples)):
            for piece in pieces_of(document, self.reading["max_tokens"]):
                expected = piece.copy()
                expected[0] = IGNORED
                items.append(LanguageItem(position, (asked[position].windows[0],), expected, piece))
        return items

    def training_items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """The texts, several packed into a row where `pack` is true."""
        from stages.shared.packing import packed, packed_item

        if not self.pack:
            return self.items(reader, examples)
        rows = packed(self._documents(reader, examples), self.reading["max_tokens"])
        return [packed_item(position, row) for position, row in enumerate(rows)]

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """No text: the tokens of the test texts, scored by a 3-gram model with back-off."""
        from stages.tasks._language_baseline import scored_by_counts

        nothing = [as_prediction("") for _ in splits["test"]]
        return scored_by_counts(splits, nothing), "a 3-gram model of words with back-off"

    def _documents(self, reader: Reader, examples: Sequence[Example]) -> list[np.ndarray]:
        """The tokens of each text: the special ones before it, its own, and the one that ends it."""
        if not examples:
            return []
        begin = reader.read(self.question(examples[0])).windows[0]
        first = [number for number, text in zip(begin.ids, begin.text_of.tolist(), strict=True) if text < 0]
        end = reader.settings["writes"]["ends"][0]
        found = reader.tokenizer.encode_batch([row["text"] for row in examples], add_special_tokens=False)
        return [np.array([*first, *encoding.ids, end], np.int64) for encoding in found]
