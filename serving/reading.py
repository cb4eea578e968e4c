"""From texts to the rows of tokens that a model reads: cut to its length, or in overlapping windows.

Training and production read by this one file, so that both see the same tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tokenizers import Encoding, Tokenizer

from serving.errors import BundleDamaged
from serving.tokens import FramedText, Tokens, framed_text, layout_of, probe_of, uncut_copy, without_end

LONG_TEXTS = ("head", "head_tail", "windows")


@dataclass(frozen=True, eq=False)
class Window:
    """A row of tokens, special ones included.

    Attributes:
        ids: of the tokens.
        type_ids: 0 for the first text, 1 for the second, as the tokenizer has them.
        offsets: start and end of each token in its text, in characters, int32 of shape (tokens, 2); 0 for special ones.
        text_of: which text each token is of, int8 of shape (tokens,): 0, 1, or -1 for special ones and the template's.
        word_of: number of the word of its text that each token is of, int32 of shape (tokens,), -1 for special ones;
            see `serving.words`.
    """

    ids: list[int]
    type_ids: list[int]
    offsets: np.ndarray
    text_of: np.ndarray
    word_of: np.ndarray

    def feed(self) -> dict[str, np.ndarray]:
        """What a model may be fed: "input_ids", "attention_mask", "token_type_ids", int64 of shape (tokens,)."""
        ids, types = np.array(self.ids, np.int64), np.array(self.type_ids, np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}


@dataclass(frozen=True)
class Reading:
    """What the model reads of one example: one window, or several; `cut`: some of its tokens are in none of them."""

    windows: list[Window]
    cut: bool


class Fed(Protocol):
    """What a model reads at once: a window of tokens, or a picture."""

    def feed(self) -> dict[str, np.ndarray]:
        """What a model may be fed, by the names of its inputs, without the batch axis."""
        ...


def _shares(counts: list[int], room: int) -> list[int]:
    """How many tokens of each text fit: the longer is cut first, then both to half, the longer having the odd one."""
    if len(counts) == 1 or sum(counts) <= room:
        return [min(count, room) for count in counts]
    small = 0 if counts[0] <= counts[1] else 1
    share = min(counts[small], room // 2)
    return [share if number == small else room - share for number in (0, 1)]


def _windows(count: int, room: int, overlap: int) -> list[np.ndarray]:
    """All of `count` tokens in as few windows as there can be, of even length, neighbours sharing `overlap` tokens."""
    if count <= room:
        return [np.arange(count)]
    windows = -(-(count - overlap) // (room - overlap))
    bounds = [number * (count - overlap) // windows for number in range(windows + 1)]
    return [np.arange(bounds[number], bounds[number + 1] + overlap) for number in range(windows)]


def _joined(readings: list[Reading]) -> Reading:
    """What is read of one example in several orders, as one."""
    return Reading([row for one in readings for row in one.windows], cut=any(one.cut for one in readings))


class Reader:
    """Reads texts for a model.

    Its settings: `max_tokens` of a window; `long_texts`, what becomes of a text that is longer: `head`, `head_tail`
    (the first and the last tokens, half each) or `windows`; `overlap`, the tokens that neighbouring windows share,
    fewer where that is more than half of the room. Of two texts the longer is cut or windowed first.

    A `template`, {"before", "after"}, may be among them: what stands before and after the (first) text and is not cut.
    So may `open_ended`: no special tokens after the last text, which is to be continued.
    So may `both_orders`: a pair is read once in each order, so that the pooled answer does not depend on the order.
    """

    def __init__(self, tokenizer: Tokenizer, settings: Mapping[str, Any]) -> None:
        """Take a copy of the tokenizer, without its padding and truncation but for the end that is cut.

        Raises:
            BundleDamaged: `long_texts` is unknown.
        """
        if settings["long_texts"] not in LONG_TEXTS:
            raise BundleDamaged(f"settings: `long_texts` '{settings['long_texts']}' is not one of {list(LONG_TEXTS)}")
        self._settings = settings
        template = settings.get("template") or {"before": "", "after": ""}
        self._before, self._after = template["before"], template["after"]
        self._tokenizer, self._direction = uncut_copy(tokenizer)
        probe = probe_of(self._tokenizer)
        self._layouts = {
            1: layout_of(self._tokenizer.encode(probe)),
            2: layout_of(self._tokenizer.encode(probe, probe)),
        }
        if settings.get("open_ended"):
            self._layouts = {texts: without_end(layout) for texts, layout in self._layouts.items()}

    @property
    def tokenizer(self) -> Tokenizer:
        """What it reads by, without padding and truncation."""
        return self._tokenizer

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was made with."""
        return self._settings

    def read(self, texts: tuple[str, ...]) -> Reading:
        """Read one example: a text, or a pair of texts, already clean.

        Raises:
            BundleDamaged: `max_tokens` leaves no room for a token of each text.
        """
        orders = [
            self._assembled(
                ordered, [self._tokenizer.encode(given, add_special_tokens=False) for given in self._framed(ordered)]
            )
            for ordered in self._orders(texts)
        ]
        return _joined(orders)

    def read_all(self, examples: Sequence[tuple[str, ...]]) -> list[Reading]:
        """Read many examples, in order, with the same result for each. Raises BundleDamaged as `read` does."""
        orders = [self._orders(texts) for texts in examples]
        framed = [given for several in orders for texts in several for given in self._framed(texts)]
        encodings = iter(self._tokenizer.encode_batch(framed, add_special_tokens=False))
        return [
            _joined([self._assembled(texts, [next(encodings) for _ in texts]) for texts in several])
            for several in orders
        ]

    def _orders(self, texts: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The orders in which the texts are read."""
        return [texts, texts[::-1]] if len(texts) > 1 and self._settings.get("both_orders") else [texts]

    def _framed(self, texts: tuple[str, ...]) -> list[str]:
        """The texts, the first within the template: encoded as one, so that words part where a reader sees it."""
        first, *second = texts
        return [f"{self._before}{first}{self._after}", *second]

    def _assembled(self, texts: tuple[str, ...], encodings: list[Encoding]) -> Reading:
        parts = [
            framed_text(encoding, number, 0 if number else len(self._before), text)
            for number, (text, encoding) in enumerate(zip(texts, encodings, strict=True))
        ]
        room = self._room(parts)
        counts = [len(part.tokens) for part in parts]
        chosen = (
            self._windowed(counts, room) if self._settings["long_texts"] == "windows" else [self._cut(counts, room)]
        )
        kept = [len(np.unique(np.concatenate(of_text))) for of_text in zip(*chosen, strict=True)]
        return Reading([self._window(parts, tokens) for tokens in chosen], cut=kept != counts)

    def _room(self, parts: list[FramedText]) -> int:
        """How many tokens of the texts fit into a window."""
        taken = sum(len(run.specials) for run in self._layouts[len(parts)])
        taken += sum(len(part.before) + len(part.after) for part in parts)
        room = int(self._settings["max_tokens"]) - taken
        if room < len(parts):
            raise BundleDamaged(
                f"settings: `max_tokens` {self._settings['max_tokens']} leaves no room for the text: special tokens "
                f"and the template take {taken}. Raise task.max_tokens or shorten the template."
            )
        return room

    def _first(self, count: int, share: int) -> np.ndarray:
        """`share` of `count` tokens: the first, or the last of a tokenizer that cuts the start."""
        return np.arange(count)[:share] if self._direction == "right" else np.arange(count - min(share, count), count)

    def _cut(self, counts: list[int], room: int) -> tuple[np.ndarray, ...]:
        """For each text the tokens that are kept, for `head` and `head_tail`."""
        shares = _shares(counts, room)
        if self._settings["long_texts"] == "head":
            return tuple(self._first(count, share) for count, share in zip(counts, shares, strict=True))
        return tuple(
            np.r_[0 : share - share // 2, count - share // 2 : count]
            for count, share in zip(counts, shares, strict=True)
        )

    def _windowed(self, counts: list[int], room: int) -> list[tuple[np.ndarray, ...]]:
        """For each window the tokens of each text: the longer in windows, the other whole or cut in each of them."""
        shares = _shares(counts, room)
        longer = len(counts) - 1 if counts[-1] >= counts[0] else 0
        overlap = min(int(self._settings["overlap"]), shares[longer] // 2)
        return [
            tuple(
                window if number == longer else self._first(counts[number], shares[number])
                for number in range(len(counts))
            )
            for window in _windows(counts[longer], shares[longer], overlap)
        ]

    def _window(self, parts: list[FramedText], chosen: tuple[np.ndarray, ...]) -> Window:
        """The row of tokens that holds the chosen ones of each text."""
        rows: list[Tokens] = []
        type_ids: list[int] = []
        for run in self._layouts[len(parts)]:
            added = [run.specials] if run.text is None else parts[run.text].part(chosen[run.text])
            rows += added
            type_ids += [run.type_id] * sum(map(len, added))
        return Window(
            np.concatenate([row.ids for row in rows]).tolist(),
            type_ids,
            np.concatenate([row.offsets for row in rows]),
            np.concatenate([row.text_of for row in rows]),
            np.concatenate([row.word_of for row in rows]),
        )
