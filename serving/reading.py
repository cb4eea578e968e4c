"""From texts to the rows of tokens that a model reads: cut to its length, or in overlapping windows.

Training and production read by this one file, so that both see the same tokens.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from typing import Any, Protocol

import numpy as np
from tokenizers import Encoding, Tokenizer

from serving.cutting import LONG_TEXTS, cut_tokens, is_cut
from serving.errors import BundleDamaged
from serving.tokens import FramedText, Tokens, framed_text, layout_of, probe_of, uncut_copy, without_end

TEXTS_AT_ONCE = 1_000  # that are tokenised while those before them become windows
PLACED = ("extract", "fill", "spans")  # kinds of answers that ask where the tokens of each text lie


@dataclass(frozen=True, eq=False)
class Places:
    """Where the tokens of a window lie.

    Attributes:
        offsets: start and end of each token in its text, in characters, int32 of shape (tokens, 2); 0 for special ones.
        text_of: which text each token is of, int8 of shape (tokens,): 0, 1, or -1 for special ones and the template's.
        word_of: number of the word of its text that each token is of, int32 of shape (tokens,), -1 for special ones;
            see `serving.words`.
    """

    offsets: np.ndarray
    text_of: np.ndarray
    word_of: np.ndarray


class _Later:
    """The places of all windows of an example, found when they are first asked for: most answers need none."""

    __slots__ = ("_encodings", "_found", "_reader", "_texts")

    def __init__(self, reader: "Reader", texts: tuple[str, ...], encodings: list[Encoding] | None) -> None:
        self._reader, self._texts, self._encodings = reader, texts, encodings
        self._found: list[Places] | None = None

    def places(self, number: int) -> Places:
        """Those of a window."""
        if self._found is None:
            self._found = [window.places for window in self._reader.placed(self._texts, self._encodings).windows]
        return self._found[number]


class Window:
    """A row of tokens, special ones included.

    Attributes:
        ids: of the tokens.
        type_ids: 0 for the first text, 1 for the second, as the tokenizer has them; windows may share the list.
    """

    __slots__ = ("_number", "_places", "ids", "type_ids")

    def __init__(self, ids: list[int], type_ids: list[int], places: "Places | _Later", number: int = 0) -> None:
        """Take the tokens and their places, or what finds those of the example whose window `number` this is."""
        self.ids, self.type_ids, self._places, self._number = ids, type_ids, places, number

    @property
    def places(self) -> Places:
        """Where the tokens lie."""
        return self._places if isinstance(self._places, Places) else self._places.places(self._number)

    @property
    def offsets(self) -> np.ndarray:
        """See `Places`."""
        return self.places.offsets

    @property
    def text_of(self) -> np.ndarray:
        """See `Places`."""
        return self.places.text_of

    @property
    def word_of(self) -> np.ndarray:
        """See `Places`."""
        return self.places.word_of

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


def _joined(readings: list[Reading]) -> Reading:
    """What is read of one example in several orders, as one."""
    if len(readings) == 1:
        return readings[0]
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
        self._is_framed = bool(self._before or self._after)
        self._tokenizer, direction = uncut_copy(tokenizer)
        self._cut = partial(cut_tokens, settings, direction)
        probe = probe_of(self._tokenizer)
        self._layouts = {
            1: layout_of(self._tokenizer.encode(probe)),
            2: layout_of(self._tokenizer.encode(probe, probe)),
        }
        if settings.get("open_ended"):
            self._layouts = {texts: without_end(layout) for texts, layout in self._layouts.items()}
        self._rooms = {
            texts: int(settings["max_tokens"]) - sum(len(run.specials) for run in layout)
            for texts, layout in self._layouts.items()
        }
        self._order = {
            texts: [(run.text, run.specials.ids.tolist()) for run in layout] for texts, layout in self._layouts.items()
        }
        self._type_ids = lru_cache(maxsize=4096)(self._type_ids_of)

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
        return _joined([self._read(ordered, self._encoded(ordered), kept=True) for ordered in self._orders(texts)])

    def read_all(self, examples: Sequence[tuple[str, ...]]) -> list[Reading]:
        """Read many examples, in order, with the same result for each. Raises BundleDamaged as `read` does.

        Where the tokens lie is found at once for the kinds of answers that ask for it. For others it is found by
        reading an example again when it is asked for, so that a row of tokens takes little time and memory.
        """
        orders = [self._orders(texts) for texts in examples]
        framed = [given for several in orders for texts in several for given in self._framed(texts)]
        at_once = self._settings.get("answers") in PLACED
        encode = self._tokenizer.encode_batch if at_once else self._tokenizer.encode_batch_fast
        read = self.placed if at_once else self._read
        parts = [framed[start : start + TEXTS_AT_ONCE] for start in range(0, len(framed), TEXTS_AT_ONCE)]
        with ThreadPoolExecutor(1) as pool:  # the tokenizer, which needs no Python, goes on meanwhile
            encodings = chain.from_iterable(pool.map(partial(encode, add_special_tokens=False), parts))
            return [_joined([read(texts, [next(encodings) for _ in texts]) for texts in several]) for several in orders]

    def _orders(self, texts: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The orders in which the texts are read."""
        return [texts, texts[::-1]] if len(texts) > 1 and self._settings.get("both_orders") else [texts]

    def _framed(self, texts: tuple[str, ...]) -> list[str]:
        """The texts, the first within the template: encoded as one, so that words part where a reader sees it."""
        first, *second = texts
        return [f"{self._before}{first}{self._after}", *second]

    def _encoded(self, texts: tuple[str, ...]) -> list[Encoding]:
        return [self._tokenizer.encode(given, add_special_tokens=False) for given in self._framed(texts)]

    def _read(self, texts: tuple[str, ...], encodings: list[Encoding], kept: bool = False) -> Reading:
        """What `placed` gives, by the ids alone; `kept`: the places are found by the encodings, which have them."""
        ids = [encoding.ids for encoding in encodings]
        counts, room = [len(own) for own in ids], self._rooms[len(ids)]
        later = _Later(self, texts, encodings if kept else None)
        if sum(counts) + len(ids) * self._is_framed <= room and room >= len(ids):  # no template can lack room then
            return Reading([self._row(ids, later, 0)], cut=False)
        if self._is_framed:  # where it ends, and the text begins, the offsets say
            return self.placed(texts, encodings if kept else None)
        chosen = self._cut(counts, self._checked(room, len(ids)))
        rows = [
            self._row([np.array(own)[places].tolist() for own, places in zip(ids, window, strict=True)], later, number)
            for number, window in enumerate(chosen)
        ]
        return Reading(rows, cut=is_cut(chosen, counts))

    def _row(self, ids: list[list[int]], later: _Later, number: int) -> Window:
        """The window of so many ids of each text, in the order of the layout."""
        row: list[int] = []
        for text, specials in self._order[len(ids)]:
            row += specials if text is None else ids[text]
        return Window(row, self._type_ids(tuple(map(len, ids))), later, number)

    def _type_ids_of(self, counts: tuple[int, ...]) -> list[int]:
        """The type ids of a window of so many tokens of each text."""
        found: list[int] = []
        for run in self._layouts[len(counts)]:
            found += [run.type_id] * (len(run.specials) if run.text is None else counts[run.text])
        return found

    def placed(self, texts: tuple[str, ...], encodings: list[Encoding] | None) -> Reading:
        """What is read of texts in this order, with the places of the tokens; without encodings those are made."""
        parts = [
            framed_text(encoding, number, 0 if number else len(self._before), text)
            for number, (text, encoding) in enumerate(zip(texts, encodings or self._encoded(texts), strict=True))
        ]
        taken = sum(len(part.before) + len(part.after) for part in parts)
        room = self._checked(self._rooms[len(parts)] - taken, len(parts))
        counts = [len(part.tokens) for part in parts]
        chosen = self._cut(counts, room)
        return Reading([self._window(parts, tokens) for tokens in chosen], cut=is_cut(chosen, counts))

    def _checked(self, room: int, texts: int) -> int:
        """How many tokens of so many texts fit into a window."""
        if room < texts:
            taken = int(self._settings["max_tokens"]) - room
            raise BundleDamaged(
                f"settings: `max_tokens` {self._settings['max_tokens']} leaves no room for the text: special tokens "
                f"and the template take {taken}. Raise task.max_tokens or shorten the template."
            )
        return room

    def _window(self, parts: list[FramedText], chosen: tuple[np.ndarray, ...]) -> Window:
        """The row of tokens that holds the chosen ones of each text."""
        rows: list[Tokens] = []
        type_ids: list[int] = []
        for run in self._layouts[len(parts)]:
            added = [run.specials] if run.text is None else parts[run.text].part(chosen[run.text])
            rows += added
            type_ids += [run.type_id] * sum(map(len, added))
        places = Places(
            np.concatenate([row.offsets for row in rows]),
            np.concatenate([row.text_of for row in rows]),
            np.concatenate([row.word_of for row in rows]),
        )
        return Window(np.concatenate([row.ids for row in rows]).tolist(), type_ids, places)
