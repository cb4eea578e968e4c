"""Which tokens of texts that are too long a model reads."""

from collections.abc import Mapping
from typing import Any

import numpy as np

LONG_TEXTS = ("head", "head_tail", "windows")
Chosen = list[tuple[np.ndarray, ...]]  # for each window the places of the tokens of each text that it holds


def cut_tokens(settings: Mapping[str, Any], direction: str, counts: list[int], room: int) -> Chosen:
    """What each window holds of one or two texts.

    Args:
        settings: with "long_texts" and "overlap", see `serving.reading.Reader`.
        direction: "right" where `head` keeps the start, "left" where it keeps the end.
        counts: tokens of each text.
        room: tokens of the texts that a window has room for.
    """
    shares = _shares(counts, room)
    if settings["long_texts"] == "windows":
        return _windowed(counts, shares, int(settings["overlap"]), direction)
    if settings["long_texts"] == "head":
        return [tuple(_first(count, share, direction) for count, share in zip(counts, shares, strict=True))]
    return [
        tuple(
            np.r_[0 : share - share // 2, count - share // 2 : count]
            for count, share in zip(counts, shares, strict=True)
        )
    ]


def is_cut(chosen: Chosen, counts: list[int]) -> bool:
    """Whether some of so many tokens of each text are in no window."""
    return [len(np.unique(np.concatenate(of_text))) for of_text in zip(*chosen, strict=True)] != counts


def _shares(counts: list[int], room: int) -> list[int]:
    """How many tokens of each text fit: the longer is cut first, then both to half, the longer having the odd one."""
    if len(counts) == 1 or sum(counts) <= room:
        return [min(count, room) for count in counts]
    small = 0 if counts[0] <= counts[1] else 1
    share = min(counts[small], room // 2)
    return [share if number == small else room - share for number in (0, 1)]


def _first(count: int, share: int, direction: str) -> np.ndarray:
    """`share` of `count` tokens: the first, or the last of a tokenizer that cuts the start."""
    return np.arange(count)[:share] if direction == "right" else np.arange(count - min(share, count), count)


def _windows(count: int, room: int, overlap: int) -> list[np.ndarray]:
    """All of `count` tokens in as few windows as there can be, of even length, neighbours sharing `overlap` tokens."""
    if count <= room:
        return [np.arange(count)]
    windows = -(-(count - overlap) // (room - overlap))
    bounds = [number * (count - overlap) // windows for number in range(windows + 1)]
    return [np.arange(bounds[number], bounds[number + 1] + overlap) for number in range(windows)]


def _windowed(counts: list[int], shares: list[int], overlap: int, direction: str) -> Chosen:
    """The longer text in windows, the other whole or cut in each of them."""
    longer = len(counts) - 1 if counts[-1] >= counts[0] else 0
    return [
        tuple(
            window if number == longer else _first(counts[number], shares[number], direction)
            for number in range(len(counts))
        )
        for window in _windows(counts[longer], shares[longer], min(overlap, shares[longer] // 2))
    ]
