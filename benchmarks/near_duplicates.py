"""The search for near duplicates against datasketch's MinHashLSH: recall and time, on planted copies.

    pip install -c constraints.txt -e '.[bench]'
    python -m benchmarks.near_duplicates [--texts 50000] [--rounds 3]

The texts are random words, 10 to 400 characters long; each planted copy is a text of the other side with some random
insertions, deletions and replacements, few enough to count as nearly the same. A copy is found where the search names a
partner for it; that datasketch's candidates are not measured afterwards, as ours are, is to its favour. Its threshold
is lowered until its recall is ours, or no lower one is left.
"""

import argparse
import random
import string
from collections import Counter
from typing import Any

import flows  # noqa: F401  telemetry off
from benchmarks.comparing import Comparison, interleaved, publish, seconds_of
from stages.validate.near_duplicates import SHINGLE, allowed_edits, find_near_duplicates

SIMILARITY = 0.9
THRESHOLDS = (0.5, 0.4, 0.3, 0.2, 0.1)  # of datasketch: the Jaccard similarity of the shingles
NEAR_ENOUGH = 0.002  # of recall


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


def plant(count: int) -> tuple[list[str], list[str], dict[int, tuple[int, int]]]:
    """Texts of two sides; and of each copy on the right the place of its source on the left, and the edits."""
    draw = random.Random(1)
    left = list(dict.fromkeys(make_texts(count, draw)))
    right = make_texts(count // 20, draw)
    planted = {}
    for source in draw.sample(range(len(left)), count // 25):
        most = allowed_edits(len(left[source]) - 5, SIMILARITY)
        if most > 0:
            edits = draw.randint(1, min(most, 12))
            planted[len(right)] = source, edits
            right.append(edited(left[source], edits, draw))
    return left, right, planted


def shingles(text: str) -> set[bytes]:
    """Three characters each, as ours are."""
    return {text[start : start + SHINGLE].encode() for start in range(max(1, len(text) - SHINGLE + 1))}


def datasketch_way(left: list[str], right: list[str], threshold: float) -> list[list[int]]:
    """The candidates of each text on the right, by its documented use, with all else as it comes."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold)
    with index.insertion_session() as session:
        for place, minhash in enumerate(MinHash.generator([shingles(text) for text in left])):
            session.insert(place, minhash)
    return [index.query(minhash) for minhash in MinHash.generator([shingles(text) for text in right])]


def recall_of(found: list[bool]) -> float:
    """The fraction that was found."""
    return sum(found) / len(found)


def fair_threshold(left: list[str], right: list[str], planted: dict[int, Any], wanted: float) -> tuple[float, float]:
    """The highest threshold by which datasketch finds as much, and what it finds."""
    recall = 0.0
    sources = sorted({source for source, _ in planted.values()})
    sample, numbers = [left[source] for source in sources], {source: number for number, source in enumerate(sources)}
    for threshold in THRESHOLDS:
        candidates = datasketch_way(sample, right, threshold)
        recall = recall_of([numbers[source] in candidates[place] for place, (source, _) in planted.items()])
        if recall >= wanted - NEAR_ENOUGH:
            return threshold, recall
    return THRESHOLDS[-1], recall


def main() -> None:
    """Plant, search, measure and publish, with the recall by number of edits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    left, right, planted = plant(asked.texts)
    matches = find_near_duplicates(left, right, SIMILARITY)
    asked_for, found = Counter[str](), Counter[str]()
    for place, (_, edits) in planted.items():
        kind = "1 or 2" if edits <= 2 else "3 or 4" if edits <= 4 else "5 to 12"
        asked_for[kind] += 1
        found[kind] += bool(matches.right[place] >= 0)
    by_edits = {kind: found[kind] / asked_for[kind] for kind in sorted(asked_for)}
    for kind, share in by_edits.items():
        print(f"{kind:>8} edits: {found[kind]:,} of {asked_for[kind]:,} found, {share:.2%}")
    recall = found.total() / asked_for.total()
    threshold, its_recall = fair_threshold(left, right, planted, recall)
    seconds = interleaved(
        {
            "ours": lambda: seconds_of(lambda: find_near_duplicates(left, right, SIMILARITY)),
            "datasketch": lambda: seconds_of(lambda: datasketch_way(left, right, threshold)),
        },
        asked.rounds,
    )
    line = Comparison(
        bar="D2",
        what=f"near duplicates, {len(left):,} texts against {len(right):,}, recall {recall:.2%} and {its_recall:.2%}",
        peer=f"datasketch MinHashLSH, threshold {threshold}",
        unit="s",
        ours=seconds["ours"],
        against=seconds["datasketch"],
        ratio=seconds["datasketch"] / seconds["ours"],
        wanted=10,
        better="more",
    )
    publish("near_duplicates", [line], recall_by_edits=by_edits)


if __name__ == "__main__":
    main()
