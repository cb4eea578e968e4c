"""Cut the splits that the source does not give: stratified, whole groups of equal text, the same for any row order."""

from collections.abc import Mapping
from hashlib import blake2b, sha256
from math import ceil

import numpy as np

from serving.text import matching_key
from stages.shared.errors import DataError
from stages.shared.params import SPLITS, Split

WHOLE = "all"  # what a source calls rows that it gives no split
CODES: dict[str, int] = {split: code for code, split in enumerate((*SPLITS, WHOLE))}


def cut_key(texts: tuple[str | bytes, ...], seed: int) -> int:
    """64 bits that texts share which differ in case, spaces and the like alone, and bytes that do not differ.

    Their order is the seed's.
    """
    key = "\x1f".join(sha256(text).hexdigest() if isinstance(text, bytes) else matching_key(text) for text in texts)
    return int.from_bytes(blake2b(key.encode(), digest_size=8, key=seed.to_bytes(8, "big")).digest(), "big")


def _strata(groups: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The stratum that most rows of each group are of, the first in the alphabet of equals; shape (groups,)."""
    kinds = int(ranks.max()) + 1
    pairs, counts = np.unique(groups.astype(np.int64) * kinds + ranks, return_counts=True)
    order = np.lexsort((pairs % kinds, -counts, pairs // kinds))
    _, first = np.unique(pairs[order] // kinds, return_index=True)
    return (pairs[order] % kinds)[first]


def _fill(members: list[int], sizes: np.ndarray, target: int, free: list[bool]) -> list[int]:
    """Free groups from the start of `members` whose rows come as near to `target` as whole groups allow."""
    taken: list[int] = []
    missing = max(0, target)
    for group in members:
        if missing <= 0:
            break
        if free[group] and sizes[group] <= missing:
            taken.append(group)
            missing -= int(sizes[group])
            free[group] = False
    larger = [group for group in members if missing and free[group] and sizes[group] < 2 * missing]
    if larger:
        nearest = min(larger, key=lambda group: int(sizes[group]))
        free[nearest] = False
        taken.append(nearest)
    return taken


def cut(keys: np.ndarray, ranks: np.ndarray, fractions: Mapping[Split, float]) -> np.ndarray:
    """The code of the split of each row, stratified; the same key is never on two sides.

    A row's side hangs on the keys alone, not on the order of the rows: in each stratum the groups of equal key lie in
    the order of their keys, `test` takes from the start, `validation` from the end, `train` is the middle.

    Args:
        keys: of `cut_key`, shape (rows,).
        ranks: of each row's stratum, shape (rows,).
        fractions: of the rows, for the splits to cut off `train`.
    """
    _, groups, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    strata = _strata(groups, ranks)
    side = np.full(len(sizes), CODES["train"], dtype=np.uint8)
    free = [True] * len(sizes)
    by_stratum = np.argsort(strata, kind="stable")
    seen, taken = 0, dict.fromkeys(fractions, 0)
    for members in np.split(by_stratum, np.flatnonzero(np.diff(strata[by_stratum])) + 1):
        rows = int(sizes[members].sum())
        seen += rows
        for split, fraction in sorted(fractions.items()):
            missing = round(seen * fraction) - taken[split]
            target = min(missing, ceil(rows * fraction) + 1)  # what one stratum lacks is spread over those after it
            chosen = _fill(members.tolist() if split == "test" else members[::-1].tolist(), sizes, target, free)
            side[chosen] = CODES[split]
            taken[split] += int(sizes[chosen].sum())
    return side[groups]


def assign(
    splits: np.ndarray, keys: np.ndarray, ranks: np.ndarray, given: set[str], fractions: Mapping[Split, float]
) -> tuple[np.ndarray, list[Split]]:
    """The split of each row: the given one, or cut from train where the source does not give it; and which were cut.

    Args:
        splits: code of the split that the source gives each row, shape (rows,).
        keys: of `cut_key`, shape (rows,).
        ranks: of each row's stratum, shape (rows,).
        given: the splits that the source gives, also one of which no row can be read.
        fractions: of the rows, for each split. Those of the splits to cut count beside that of `train` alone.

    Raises:
        DataError: there is nothing to train on, or a split is left without a row.
    """
    splits = np.where(splits == CODES[WHOLE], CODES["train"], splits).astype(np.uint8)
    missing: list[Split] = [split for split in ("validation", "test") if split not in given]
    pool = splits == CODES["train"]
    if not pool.any():
        raise DataError(f"no row of the source is in train, only in {', '.join(sorted(given))}. Give it a train split.")
    if missing:
        whole = fractions["train"] + sum(fractions[split] for split in missing)
        splits[pool] = cut(keys[pool], ranks[pool], {split: fractions[split] / (whole or 1) for split in missing})
    empty = [split for split in SPLITS if not (splits == CODES[split]).any()]
    if empty:
        raise DataError(
            f"of {len(splits)} rows none is for {' and '.join(empty)}: the source gives {', '.join(sorted(given))}, "
            f"and ingest.splits is {dict(fractions)}. Give more rows, other fractions, or the split itself."
        )
    return splits, missing
