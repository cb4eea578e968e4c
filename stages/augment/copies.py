"""A copy of a training row: what it is, where its spans lie, when it is no use, that it stays on the training side."""

import hashlib
import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from stages.shared.errors import DataError
from stages.shared.examples import Example
from stages.tasks import Move, Span, Task, content_of, texts_of

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


@dataclass(frozen=True)
class Edit:
    """A piece of a text, from `start` to before `end`, and what stands there instead."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Change:
    """Another wording of one of an example's texts: which one, its new text, and where its positions lie in that."""

    number: int
    text: str
    move: Move


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits, which are in its order and do not overlap."""
    kept = [0, *(edit.end for edit in edits)]
    pieces = [text[start : edit.start] + edit.text for start, edit in zip(kept, edits, strict=False)]
    return "".join(pieces) + text[kept[-1] :]


def moved_by(edits: Sequence[Edit]) -> Move:
    """Where a position lies after the edits, which are in order; what lies within one has no place afterwards.

    The start of an edit stays its start and the end of an edit its end, so that a span beside it keeps its bounds.
    """
    ends = [edit.end for edit in edits]
    shifts = [0]
    for edit in edits:
        shifts.append(shifts[-1] + len(edit.text) - (edit.end - edit.start))

    def move(position: int) -> int:
        before = bisect_right(ends, position)
        if before < len(edits) and edits[before].start < position:
            raise RuntimeError(f"position {position} lies within what was replaced, {edits[before]}")
        return position + shifts[before]

    return move


def _stays(position: int) -> int:
    """Where a position lies in a text that is the same as before."""
    return position


def copy_of(parent: Example, task: Task, change: Change, suffix: str, made_by: str) -> Example:
    """The row with one text changed, an id made of its parent's, and how it was made; the rest is the parent's.

    Raises:
        RuntimeError: what must not be touched, such as a labelled span, is not the same as in the parent.
    """
    texts = list(texts_of(task, parent))
    moves: list[Move] = [_stays for _ in texts]
    texts[change.number], moves[change.number] = change.text, change.move
    copy = task.with_texts(parent, tuple(texts), moves)
    before, after = _fixed(task, parent), _fixed(task, copy)
    if before != after:
        raise RuntimeError(f"'{parent['id']}': a copy by {made_by} has {after} where the row has {before}")
    return {**copy, "id": f"{parent['id']}+{suffix}", "parent": parent["id"], "made_by": made_by}


def _fixed(task: Task, example: Example) -> list[list[str]]:
    """What stands in each span that augmentation must not touch, by text."""
    both = zip(texts_of(task, example), task.fixed_spans(example), strict=True)
    return [[text[start:end] for start, end in spans] for text, spans in both]


def overlaps(start: int, end: int, spans: Iterable[Span]) -> bool:
    """Whether a piece of a text shares a character with one of the spans."""
    return any(start < other_end and other_start < end for other_start, other_end in spans)


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
        return content_of(self._task, example)


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
