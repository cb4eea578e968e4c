"""Pictures that are nearly the same, found without comparing every picture with every other.

A perceptual hash has 64 bits of how light and dark lie in a picture; a copy in another size, format or quality changes
a few of them. Of k + 1 bands of the bits one is the same in two hashes that differ in at most k, so that only pictures
that share a band are compared. A hash knows no colours and little of plain pictures, so that each pair that it finds is
then compared by thumbnails of 8 x 8 pixels.

Where 6 bits may differ, of 400 pieces of two photographs a copy is found of 90 % saved anew as JPEG of quality 90, of
92 % at half their size, of 71 % a tenth brighter; of the 79,800 pairs of the pieces themselves 2 are taken for copies.
100,000 pictures take 13 seconds, and 1 second where 3 bits may differ.

Source: Norouzi, Punjani and Fleet 2012, Fast search in Hamming space with multi-index hashing, arXiv:1307.2982. The
hash is `phash` of ImageHash: the lowest 8 x 8 frequencies of 32 x 32 grey pixels, each above the median or not.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stages.validate.near_duplicates import Indices, Matches, Sorted, joined

if TYPE_CHECKING:
    from PIL import Image

Hashes = npt.NDArray[np.uint64]
Thumbnails = npt.NDArray[np.uint8]

BITS = 64
THUMBNAIL = 8  # pixels of a side
MOST_APART = 12.0  # of 255, in the mean of a thumbnail's values: brighter by a tenth is within, another subject is not
BAND_BLOCK = 1_000  # pictures of a band that one is compared with: thousands of plain ones share theirs


def packed_hash(picture: "Image.Image") -> int:
    """The 64 bits of the perceptual hash."""
    import imagehash

    bits = imagehash.phash(picture).hash.ravel()
    return int.from_bytes(np.packbits(bits).tobytes())


def thumbnail(picture: "Image.Image") -> bytes:
    """8 x 8 pixels in RGB, each the mean of its part of the picture."""
    from PIL import Image

    return picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes()


def allowed_bits(similarity: float) -> int:
    """How many bits of the hashes may differ, given the fraction that must be the same."""
    return int((1 - similarity) * BITS + 1e-9)


def _bands(hashes: Hashes, count: int) -> Iterator[Hashes]:
    """The bits of each hash in so many parts, as even as can be."""
    edges = [BITS * number // count for number in range(count + 1)]
    for start, end in pairwise(edges):
        mask = (1 << (end - start)) - 1
        yield (hashes >> np.uint64(start)) & np.uint64(mask)


def _near(hashes: Hashes, thumbnails: Thumbnails, a: Indices, b: Indices, bits: int) -> tuple[Indices, Indices]:
    """Those of the pairs that are nearly the same."""
    alike = np.bitwise_count(hashes[a] ^ hashes[b]) <= bits
    a, b = a[alike], b[alike]
    apart = np.abs(thumbnails[a].astype(np.int16) - thumbnails[b]).mean(axis=1)
    return a[apart <= MOST_APART], b[apart <= MOST_APART]


def find_near_pictures(hashes: Hashes, thumbnails: Thumbnails, left: Indices, right: Indices, bits: int) -> Matches:
    """For each of two collections of pictures one on the other side that is nearly the same.

    Args:
        hashes: of all pictures, shape (pictures,).
        thumbnails: of all pictures, shape (pictures, values).
        left, right: positions of the pictures of each side.
        bits: of a hash that may differ.
    """
    matches = Matches(np.full(len(left), -1), np.full(len(right), -1))
    both = zip(_bands(hashes[left], bits + 1), _bands(hashes[right], bits + 1), strict=True)
    place = np.full(len(hashes), -1)
    other = np.full(len(hashes), -1)
    place[left], other[right] = np.arange(len(left)), np.arange(len(right))
    for one, two in both:
        for a, b in joined(Sorted.of(one), two, BAND_BLOCK):
            found = _near(hashes, thumbnails, left[a], right[b], bits)
            matches.add(place[found[0]], other[found[1]])
    return matches


def near_pairs(hashes: Hashes, thumbnails: Thumbnails, here: Indices, bits: int) -> list[tuple[int, int]]:
    """The pairs (earlier, later) of the pictures at the positions `here` that are nearly the same, by the later one."""
    pairs: set[tuple[int, int]] = set()
    for band in _bands(hashes[here], bits + 1):
        for a, b in joined(Sorted.of(band), band, BAND_BLOCK):
            earlier = a < b
            found = _near(hashes, thumbnails, here[a[earlier]], here[b[earlier]], bits)
            pairs.update(zip(found[0].tolist(), found[1].tolist(), strict=True))
    return sorted(pairs, key=lambda pair: (pair[1], pair[0]))
