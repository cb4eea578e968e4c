"""What a tokenizer makes of texts, taken apart: the tokens of each text, a template's around it, the special ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from tokenizers import Encoding, Tokenizer

from serving.errors import BundleDamaged
from serving.words import parted_words


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens in a row, as a window has them."""

    ids: np.ndarray
    offsets: np.ndarray
    text_of: np.ndarray
    word_of: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, chosen: slice | np.ndarray) -> "Tokens":
        return Tokens(self.ids[chosen], self.offsets[chosen], self.text_of[chosen], self.word_of[chosen])


@dataclass(frozen=True, eq=False)
class FramedText:
    """The tokens of a text, and those of the template before and after it."""

    before: Tokens
    tokens: Tokens
    after: Tokens

    def part(self, chosen: np.ndarray) -> list[Tokens]:
        """The chosen tokens within the template."""
        return [self.before, self.tokens[chosen], self.after]


@dataclass(frozen=True)
class Run:
    """A part of what the tokenizer makes of one or two texts: a text, or special tokens."""

    text: int | None
    type_id: int
    specials: Tokens


def _not_of_a_text(ids: Sequence[int] | np.ndarray) -> Tokens:
    count = len(ids)
    nowhere = np.full(count, -1)
    return Tokens(
        np.array(ids, np.int64), np.zeros((count, 2), np.int32), nowhere.astype(np.int8), nowhere.astype(np.int32)
    )


def uncut_copy(tokenizer: Tokenizer) -> tuple[Tokenizer, str]:
    """A copy that neither pads nor cuts, and at which end it was to cut: "right" or "left"."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy, str((tokenizer.truncation or {}).get("direction", "right"))


def probe_of(tokenizer: Tokenizer) -> str:
    """A text of which the tokenizer makes at least one token."""
    for number in range(tokenizer.get_vocab_size()):
        word = tokenizer.id_to_token(number)
        if word and tokenizer.encode(word, add_special_tokens=False).ids:
            return str(word)
    raise BundleDamaged("tokenizer.json: no word of its vocabulary gives a token. Build the bundle again.")


def layout_of(encoding: Encoding) -> list[Run]:
    """Where the tokenizer puts special tokens, found from what it makes of a probe."""
    places = zip(encoding.sequence_ids, encoding.type_ids, encoding.ids, strict=True)
    runs = []
    for (text, type_id), tokens in groupby(places, key=lambda place: place[:2]):
        runs.append(Run(text, type_id, _not_of_a_text([token[2] for token in tokens] if text is None else [])))
    return runs


def without_end(layout: list[Run]) -> list[Run]:
    """The layout without the special tokens after the last text."""
    last = max(place for place, run in enumerate(layout) if run.text is not None)
    return layout[: last + 1]


def _first_past(offsets: np.ndarray, place: int) -> int:
    """The first token that ends after a place of the text; their number if none does."""
    past = offsets[:, 1] > place
    return int(past.argmax()) if past.any() else len(past)


def framed_text(encoding: Encoding, number: int, start: int, text: str) -> FramedText:
    """The tokens of text `number`, that lies at `start` of what was encoded, and those of the template around it."""
    ids = np.array(encoding.ids, np.int64)
    offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    words = np.array([-1 if word is None else word for word in encoding.word_ids], np.int32)
    first = _first_past(offsets, start) if start else 0
    last = max(first, _first_past(offsets, start + len(text)))
    own_offsets = np.clip(offsets[first:last] - start, 0, len(text)).astype(np.int32)
    tokens = Tokens(
        ids[first:last],
        own_offsets,
        np.full(last - first, number, np.int8),
        parted_words(words[first:last], own_offsets, text),
    )
    return FramedText(_not_of_a_text(ids[:first]), tokens, _not_of_a_text(ids[last:]))
