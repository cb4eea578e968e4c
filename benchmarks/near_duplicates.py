"""Recall and time of the search for near duplicates, on planted copies with a known number of edits.

    python -m benchmarks.near_duplicates [--texts 100000]

The texts are random words, 10 to 400 characters long; each planted copy is a text of the other side with some random
insertions, deletions and replacements, few enough to count as nearly the same.
"""

import argparse
import random
import string
import time
from collections import Counter

import flows  # noqa: F401  telemetry off
from stages.validate.near_duplicates import allowed_edits, find_near_duplicates

SIMILARITY = 0.9


def make_texts(count: int, draw: random.Random) -> list[str]:
    """Texts of random words."""
    words = ["".join(draw.choices("aeioulnrstdmp", k=draw.randint(2, 9))) for _ in range(20_000)]
    return [" ".join(draw.choices(words, k=draw.randint(3, 60)))[: draw.randint(10, 400)].strip() for _ in range(count)]


def edited(text: str, edits: int, draw: random.Random) -> str:
    """The text with so many random edits."""
    characters = list(text)
    for _ in range(edits):
        place = draw.randrange(len(characters))
        kind = draw.choice(("insert", "delete", "replace"))
        if kind == "insert":
            characters.insert(place, draw.choice(string.ascii_lowercase))
        elif kind == "delete" and len(characters) > 1:
            del characters[place]
        else:
            characters[place] = draw.choice(string.digits)
    return "".join(characters)


def main() -> None:
    """Plant, search and print the recall by number of edits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    asked = parser.parse_args()
    draw = random.Random(1)
    left = make_texts(asked.texts, draw)
    planted: dict[int, int] = {}
    right = make_texts(asked.texts // 20, draw)
    for source in draw.sample(range(len(left)), asked.texts // 25):
        most = allowed_edits(len(left[source]) - 5, SIMILARITY)
        if most > 0:
            planted[len(right)] = draw.randint(1, min(most, 12))
            right.append(edited(left[source], planted[len(right)], draw))
    started = time.perf_counter()
    matches = find_near_duplicates(left, right, SIMILARITY)
    seconds = time.perf_counter() - started
    asked_for, found = Counter[str](), Counter[str]()
    for place, edits in planted.items():
        kind = "1 or 2" if edits <= 2 else "3 or 4" if edits <= 4 else "5 to 12"
        asked_for[kind] += 1
        found[kind] += bool(matches.right[place] >= 0)
    print(f"{len(left):,} texts against {len(right):,} in {seconds:.1f} s")
    for kind in sorted(asked_for):
        print(f"{kind:>8} edits: {found[kind]:,} of {asked_for[kind]:,} found, {found[kind] / asked_for[kind]:.2%}")


if __name__ == "__main__":
    main()
