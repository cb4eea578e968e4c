"""Texts of two collections that are nearly the same, found without comparing every text with every other.

Two searches give candidates, and the edit distance of each candidate is then measured:

- up to 4 edits: Pass-Join. Of five pieces of a text, four edits leave one whole, so texts that share no piece at
  nearly the same position are not within four edits. It misses nothing, and works for short texts.
  Source: Li, Deng, Wang and Feng 2011, PVLDB 5(3), https://doi.org/10.14778/2078331.2078340
- more edits, as long texts may have: MinHash of the three-character shingles, in bands.
  Source: Broder 1997, On the resemblance and containment of documents; Leskovec, Rajaraman and Ullman, Mining of
  Massive Datasets, chapter 3.

Recall and time: `python -m benchmarks.near_duplicates`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist
from rensa import RMinHash

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

PASS_JOIN_EDITS = 4
SHINGLE = 3
BANDS = 40
PAIRS_AT_ONCE = 1_000_000
TEXTS_AT_ONCE = 2_000  # of which the hashes lie in Python lists for a while
# Boilerplate that thousands of texts share makes blocks whose pairs are a product. A text is compared with so many
# of a block; a text that is really nearly the same shares other blocks too.
PIECE_BLOCK = 100
BAND_BLOCK = 50
BETWEEN_TEXTS = "\x1f"  # of one example; a control character: no cleaned text holds one
_WEIGHTS_SEED = 20_010  # of the hash of a piece; it changes which pairs collide by chance, never which are found
_MINHASH_SEED = 42


@dataclass
class Matches:
    """For each text of either side the index of one that is nearly the same on the other side, or -1."""

    left: Indices
    right: Indices

    def is_known(self, left: Indices, right: Indices) -> npt.NDArray[np.bool_]:
        """Whether both ends of each pair have a match already, so that it need not be measured."""
        return (self.left[left] >= 0) & (self.right[right] >= 0)

    def add(self, left: Indices, right: Indices) -> None:
        """Record pairs; the first pair of a text stays."""
        for known, ends, others in ((self.left, left, right), (self.right, right, left)):
            ends, first = np.unique(ends, return_index=True)
            new = known[ends] < 0
            known[ends[new]] = others[first[new]]


@dataclass
class _Side:
    """The texts of one side, as the searches want them."""

    texts: Sequence[str]
    lengths: Indices = field(init=False)
    by_length: dict[int, Indices] = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.fromiter(map(len, self.texts), np.int64, len(self.texts))
        order = np.argsort(self.lengths, kind="stable")
        values, starts = np.unique(self.lengths[order], return_index=True)
        self.by_length = dict(zip(values.tolist(), np.split(order, starts[1:]), strict=False))

    def codes(self, length: int) -> Hashes:
        """The code points of the texts of one length, shape (texts, length)."""
        joined = "".join(self.texts[i] for i in self.by_length[length])
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        return points.reshape(-1, length).astype(np.uint64)


def allowed_edits(length: int, similarity: float) -> int:
    """How many edits two texts may differ by when the longer one has `length` characters."""
    return int((1 - similarity) * length + 1e-9)


@dataclass(frozen=True)
class Sorted:
    """Hashes in order, each with the position that it had."""

    values: Hashes
    positions: Indices

    @classmethod
    def of(cls, hashes: Hashes) -> "Sorted":
        """Sort hashes; equal ones stay as they lie."""
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], order)


def joined(left: Sorted, right: Hashes, block: int) -> Iterator[tuple[Indices, Indices]]:
    """The pairs of positions with equal hashes, some at a time; for each on the right at most `block` on the left."""
    if not len(left.values):
        return
    first = np.searchsorted(left.values, right, side="left")
    found = np.flatnonzero(left.values[np.minimum(first, len(left.values) - 1)] == right)
    if not len(found):
        return
    first = first[found]
    counts = np.minimum(np.searchsorted(left.values, right[found], side="right") - first, block)
    for part in np.array_split(np.arange(len(found)), 1 + int(counts.sum()) // PAIRS_AT_ONCE):
        sizes = counts[part]
        steps = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield left.positions[np.repeat(first[part], sizes) + steps], np.repeat(found[part], sizes)


def _pieces(length: int, count: int) -> list[tuple[int, int]]:
    """Start and length of `count` pieces of a text, as even as can be."""
    starts = [length * i // count for i in range(count + 1)]
    return [(start, end - start) for start, end in pairwise(starts)]


def _by_pieces(left: _Side, right: _Side, similarity: float) -> Iterator[tuple[Indices, Indices]]:
    """Candidates that differ by at most 4 edits, in order of length."""
    random = np.random.default_rng(_WEIGHTS_SEED)
    longest = max([0, *left.by_length, *right.by_length])
    weights = random.integers(1, 2**63, size=longest, dtype=np.uint64) | np.uint64(1)
    codes: dict[int, Hashes] = {}
    for length in left.by_length:
        codes = {near: values for near, values in codes.items() if near >= length - PASS_JOIN_EDITS}
        left_codes, by_edits = left.codes(length), dict[int, list[Sorted]]()
        for other in range(length - PASS_JOIN_EDITS, length + PASS_JOIN_EDITS + 1):
            edits = min(PASS_JOIN_EDITS, allowed_edits(max(length, other), similarity))
            if other not in right.by_length or edits < max(1, abs(length - other)):
                continue
            if other not in codes:
                codes[other] = right.codes(other)
            if edits not in by_edits:
                by_edits[edits] = _sorted_pieces(left_codes, edits, weights)
            pairs = list(_sharing_a_piece(by_edits[edits], length, codes[other], weights))
            if pairs:
                a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
                yield left.by_length[length][a], right.by_length[other][b]


def _sorted_pieces(left: Hashes, edits: int, weights: Hashes) -> list[Sorted]:
    """The hashes of each of `edits` + 1 pieces of the rows."""
    return [
        Sorted.of(left[:, start : start + size] @ weights[:size]) for start, size in _pieces(left.shape[1], edits + 1)
    ]


def _sharing_a_piece(
    left: list[Sorted], length: int, right: Hashes, weights: Hashes
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs of rows that share one of the pieces, moved by as much as the edits before and after it allow.

    Args:
        left: the pieces of rows of that length.

    Source: the multi-match-aware substring selection of Pass-Join, section 4.3
    """
    longer, edits = right.shape[1] - length, len(left) - 1
    for before, (start, size) in enumerate(_pieces(length, edits + 1)):
        after = edits - before
        shifts = range(max(-before, longer - after), min(before, longer + after) + 1)
        moved = [start + shift for shift in shifts if size and 0 <= start + shift <= right.shape[1] - size]
        if not moved:
            continue
        hashes = np.concatenate([right[:, place : place + size] @ weights[:size] for place in moved])
        for a, b in joined(left[before], hashes, PIECE_BLOCK):
            yield a, b % len(right)


def _rows_per_band(similarity: float) -> int:
    """MinHash values per band: as many as still find 95 % of the pairs whose edits are spread evenly over the text."""
    changed = SHINGLE * (1 - similarity)
    overlap = max(0.0, (1 - changed) / (1 + changed))
    return max((rows for rows in range(2, 7) if 1 - (1 - overlap**rows) ** BANDS >= 0.95), default=2)


def _band_hashes(side: _Side, rows: int, wanted: Indices) -> Hashes:
    """The bands of the texts named in `wanted`, shape (texts, bands)."""
    weights = np.random.default_rng(_WEIGHTS_SEED).integers(1, 2**63, size=max(SHINGLE, rows), dtype=np.uint64)
    weights |= np.uint64(1)
    result = np.empty((len(wanted), BANDS), np.uint64)
    for start in range(0, len(wanted), TEXTS_AT_ONCE):
        part = wanted[start : start + TEXTS_AT_ONCE]
        joined = "".join(side.texts[i] for i in part)
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
        shingles = np.lib.stride_tricks.sliding_window_view(points, SHINGLE) @ weights[:SHINGLE]
        ends = np.cumsum(side.lengths[part])
        # a shingle that runs over the end of its text is its last two characters with the next text's first: drop it
        inside = np.ones(len(shingles), bool)
        for back in range(1, SHINGLE):
            at = ends - back
            inside[at[at < len(shingles)]] = False
        offsets = np.concatenate([[0], np.cumsum(inside)[ends - SHINGLE]])
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles[inside], offsets.astype(np.uint64), BANDS * rows, _MINHASH_SEED
        )
        numbers = chain.from_iterable(matrix.to_rows())
        digests = np.fromiter(numbers, np.uint64, len(part) * BANDS * rows).reshape(len(part), BANDS, rows)
        result[start : start + len(part)] = digests @ weights[:rows]
    return result


def _by_minhash(left: _Side, right: _Side, similarity: float) -> Iterator[tuple[Indices, Indices]]:
    """Candidates among the texts that are long enough for more edits than Pass-Join looks for."""
    edits = PASS_JOIN_EDITS + 1
    shortest = max(SHINGLE, int(edits / (1 - similarity)) - edits)
    wanted = [np.flatnonzero(side.lengths >= shortest) for side in (left, right)]
    if not len(wanted[0]) or not len(wanted[1]):
        return
    rows = _rows_per_band(similarity)
    bands = [_band_hashes(side, rows, which) for side, which in zip((left, right), wanted, strict=True)]
    for band in range(BANDS):
        for a, b in joined(Sorted.of(bands[0][:, band]), bands[1][:, band], BAND_BLOCK):
            yield wanted[0][a], wanted[1][b]


def _measure(left: _Side, right: _Side, a: Indices, b: Indices, similarity: float, matches: Matches) -> None:
    """Measure candidates, and record those that are similar enough."""
    longer = np.maximum(left.lengths[a], right.lengths[b])
    possible = np.abs(left.lengths[a] - right.lengths[b]) <= (1 - similarity) * longer + 1e-9
    possible &= ~matches.is_known(a, b)
    a, b = a[possible], b[possible]
    if not len(a):
        return
    allowed = np.floor((1 - similarity) * longer[possible] + 1e-9)
    edits = cpdist(
        [left.texts[i] for i in a],
        [right.texts[i] for i in b],
        scorer=Levenshtein.distance,
        score_cutoff=int(allowed.max()),  # what is further apart gets one more than this
        dtype=np.int64,
    )
    near = np.flatnonzero((edits > 0) & (edits <= allowed))
    near = near[[_is_near_throughout(left.texts[a[i]], right.texts[b[i]], similarity) for i in near]]
    matches.add(a[near], b[near])


def _is_near_throughout(one: str, other: str, similarity: float) -> bool:
    """Whether each of several joined texts is near: two short questions about one long passage are not."""
    return all(
        Levenshtein.distance(text, second) <= allowed_edits(max(len(text), len(second)), similarity)
        for text, second in zip(one.split(BETWEEN_TEXTS), other.split(BETWEEN_TEXTS), strict=True)
    )


def find_near_duplicates(left: Sequence[str], right: Sequence[str], similarity: float) -> Matches:
    """Find for each text one on the other side whose similarity, 1 - edits / length of the longer, is at least that.

    Args:
        left, right: texts as `serving.text.matching_key` gives them, none empty, none twice on a side. A text that is
            on both sides is no near duplicate of itself. Several texts of one example are joined by BETWEEN_TEXTS;
            then each of them must be that similar, and all together.
        similarity: fraction in [0.5, 1).

    Returns:
        Every text that has a partner within 4 edits gets one; of those with more edits nearly every one.
    """
    matches = Matches(np.full(len(left), -1), np.full(len(right), -1))
    sides = _Side(left), _Side(right)
    for search in (_by_pieces, _by_minhash):
        for a, b in search(*sides, similarity):
            _measure(*sides, a, b, similarity, matches)
    return matches
