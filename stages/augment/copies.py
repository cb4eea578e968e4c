"""A copy of a training row: what it is, when it is no use, and that it stays on the training side."""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from serving.text import matching_key
from stages.shared.errors import DataError
from stages.shared.examples import Example
from stages.tasks import Task

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Copy:
    """A new row, or why there is none.

    Attributes:
        example: the new row; where there is a fault, what there is of it.
        changed: fraction of its words that its parent does not have at their place, in [0, 1].
        fault: why it is dropped, as one word for the metrics, else None.
    """

    example: Example
    changed: float = 0.0
    fault: str | None = None


def copy_of(parent: Example, task: Task, texts: tuple[str, ...], suffix: str, made_by: str) -> Example:
    """The row with other texts, an id made of its parent's, and how it was made; the rest is the parent's."""
    copy = task.with_texts(parent, texts)
    return {**copy, "id": f"{parent['id']}+{suffix}", "parent": parent["id"], "made_by": made_by}


def random_of(seed: int, example: Example, purpose: str) -> random.Random:
    """Random numbers that depend on the seed, the row's id and the purpose alone: not on other rows or their order."""
    digest = hashlib.sha256(f"{seed}\0{example['id']}\0{purpose}".encode()).digest()
    return random.Random(int.from_bytes(digest))


class Known:
    """The texts that a copy must differ from, as digests: 16 bytes a row."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._reasons: dict[bytes, str] = {}

    def learn(self, examples: Iterable[Example], reason: str) -> None:
        """Note that a copy equal to one of these is to be dropped, and why."""
        for example in examples:
            self._reasons[self._key(example)] = reason

    def sifted(self, copies: Iterable[tuple[Example, Copy]]) -> Iterator[Copy]:
        """The copies of (parent, copy) pairs; what equals a known text has that as its fault."""
        for parent, copy in copies:
            if copy.fault:
                yield copy
                continue
            key = self._key(copy.example)
            fault = "unchanged" if key == self._key(parent) else self._reasons.get(key)
            self._reasons.setdefault(key, "duplicate")
            yield replace(copy, fault=fault)

    def _key(self, example: Example) -> bytes:
        texts = "\0".join(matching_key(text) for text in self._task.texts(example))
        return hashlib.blake2b(texts.encode(), digest_size=16).digest()


def check_parents(augmented: Iterable[Example], train: Iterable[str], validation: Iterable[str]) -> None:
    """Raise DataError where a row's parent is no training row, a row is in both splits, or an id stands twice.

    Args:
        augmented: the training rows with their copies, as they were written.
        train, validation: the ids of the rows that came in.
    """
    inside, outside = set(train), set(validation)
    wrong = [f"'{row}' is in the training and in the validation split" for row in sorted(inside & outside)]
    seen: set[str] = set()
    for example in augmented:
        if example["id"] in seen:
            wrong.append(f"the id '{example['id']}' stands twice")
        if example["parent"] and example["parent"] not in inside:
            wrong.append(f"'{example['id']}': its parent '{example['parent']}' is no training row")
        seen.add(example["id"])
    if wrong:
        shown = "\n  ".join(wrong[:20])
        raise DataError(
            f"{len(wrong)} rows cannot be augmented, as they would carry one split into another:\n  {shown}\n"
            f"Give each row of the data its own id and put it into one split."
        )
