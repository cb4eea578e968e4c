"""Pictures: measured in pixels and bytes, compared by their pixels and by perceptual hashes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from serving.errors import TextRefused
from serving.ordered import ordered_map
from serving.pictures import Limits, decoded
from serving.runtime import usable_cores
from stages.shared.errors import MachineError
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.shared.params import SPLITS, Params
from stages.tasks import Task
from stages.validate.check import Check, at_most
from stages.validate.duplicates import usable
from stages.validate.medium import Indices, size_of
from stages.validate.near_duplicates import Matches
from stages.validate.near_pictures import (
    THUMBNAIL,
    allowed_bits,
    find_near_pictures,
    near_pairs,
    packed_hash,
    thumbnail,
)
from stages.validate.report import lengths
from stages.validate.rows import batches_of
from stages.validate.tables import Tables

_AT_A_TIME = 32  # pictures that are decoded ahead
_COLUMNS = {
    **dict.fromkeys(("split", "id", "source", "parent", "key", "answer", "answer_fault", "unreadable"), "str"),
    "classes": "object",
    **dict.fromkeys(("shortest", "longest", "bytes"), "int32"),
    "hash": "uint64",
    "thumbnail": "object",
}


class Seen(NamedTuple):
    """What is kept of a picture; of one that cannot be read why, and no key."""

    key: str | None
    unreadable: str | None
    width: int
    height: int
    hash: int
    thumbnail: bytes


def seen(data: bytes, limits: Limits) -> Seen:
    """What is kept of a picture: the key is the hash of its pixels, upright and in RGB."""
    try:
        picture, _ = decoded(data, limits)
    except TextRefused as error:
        return Seen(None, str(error), 0, 0, 0, b"")
    key = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
    return Seen(key, None, *picture.size, packed_hash(picture), thumbnail(picture))


def _row(split: str, example: Example, task: Task, picture: Seen) -> dict[str, Any]:
    fault = task.fault(example)
    return {
        "split": split,
        **{name: example[name] or "" for name in ("id", "source", "parent")},
        "key": picture.key,
        "answer": "" if fault else task.answer(example),
        "answer_fault": fault,
        "classes": () if fault else tuple(task.classes(example)),
        "shortest": min(picture.width, picture.height),
        "longest": max(picture.width, picture.height),
        "bytes": len(example["image"]),
        "unreadable": picture.unreadable,
        "hash": picture.hash,
        "thumbnail": picture.thumbnail,
    }


class Pictures:
    """See `stages.validate.medium.Medium`."""

    noun, unit = "picture", "pixels on a side"

    def __init__(self, task: Task, params: Params) -> None:
        """Raises MachineError when ImageHash is not installed."""
        try:
            import imagehash  # noqa: F401  # asked for before anything is read
        except ImportError:
            raise MachineError(
                "validate: the Python package 'ImageHash' is needed to compare pictures. Install the extra: images."
            ) from None
        self.task, self.wanted = task, params.validate_
        self.bounds = self.wanted.sides
        self.limits = Limits(params.task.max_bytes, params.task.max_pixels)
        self.max_bytes: int = params.task.max_bytes

    def read_rows(self, ingested: Path) -> pd.DataFrame:
        """Adds bytes, unreadable (why, else null), hash (perceptual, 64 bits), thumbnail (8 x 8 pixels)."""
        frames = [
            pd.DataFrame(self._rows(ingested, split), columns=list(_COLUMNS)).astype(_COLUMNS) for split in SPLITS
        ]
        return pd.concat(frames, ignore_index=True)

    def _rows(self, ingested: Path, split: str) -> Iterator[dict[str, Any]]:
        for examples in batches_of(ingested, split):
            pictures = ordered_map(
                lambda example: seen(example["image"], self.limits), examples, usable_cores(), _AT_A_TIME
            )
            for example, picture in zip(examples, pictures, strict=True):
                yield _row(split, example, self.task, picture)

    @property
    def _bits(self) -> int:
        return allowed_bits(self.wanted.near_duplicate_similarity)

    def near(self, rows: pd.DataFrame, left: Indices, right: Indices) -> Matches:
        """By perceptual hash, then by thumbnail."""
        hashes, thumbnails = _compared(rows)
        return find_near_pictures(hashes, thumbnails, left, right, self._bits)

    def add_repeated(self, rows: pd.DataFrame) -> None:
        """Of pictures of a split that are nearly the same and have the same label the first is kept."""
        hashes, thumbnails = _compared(rows)
        first, answers, splits = (rows[name].to_numpy().copy() for name in ("first_in_split", "answer", "split"))
        free = usable(rows) & ~rows["conflict"].to_numpy() & (first < 0)
        for split in SPLITS:
            here = np.flatnonzero(free & (splits == split))
            for earlier, later in near_pairs(hashes, thumbnails, here, self._bits):
                if first[earlier] < 0 and first[later] < 0 and answers[earlier] == answers[later]:
                    first[later] = earlier
        rows["first_in_split"] = first

    def nearness(self, rows: pd.DataFrame, one: int, other: int) -> str:
        """The bits of their hashes that differ."""
        hashes = rows["hash"].to_numpy()
        return f"{int(np.bitwise_count(hashes[one] ^ hashes[other]))} of the 64 bits of their hashes differ"

    def emptiness(self, rows: pd.DataFrame, row: int) -> str:
        """Why it cannot be read."""
        return str(rows["unreadable"].iloc[row])

    def row_figures(self, rows: pd.DataFrame) -> dict[str, pd.Series]:
        """side, shorter_side, longer_side, bytes."""
        empty = rows["key"].isna().to_numpy()
        sides = {
            f"{which}_side": rows[name].astype("Int32").mask(empty)
            for which, name in (("shorter", "shortest"), ("longer", "longest"))
        }
        return {"side": size_of(rows, self.bounds), **sides, "bytes": rows["bytes"].astype("Int32")}

    def tables(self, rows: pd.DataFrame) -> Tables:
        """None."""
        return {}

    def figures(self, rows: pd.DataFrame) -> dict[str, list[float]]:
        """None."""
        return {}

    def empty_check(self) -> Check:
        """It can be read."""
        return at_most(
            self.wanted.limits.empty_text,
            "empty_text",
            "ExpectColumnValuesToNotBeNull",
            noun="pictures",
            fault="cannot be read",
            advice="Mend or delete them, see task.max_pixels; or raise validate.limits.empty_text.",
            column="side",
        )

    def size_check(self) -> Check:
        """Width and height are in bounds."""
        return at_most(
            self.wanted.limits.length,
            "length",
            "ExpectColumnValuesToBeBetween",
            noun="pictures",
            fault=f"are not {self.bounds.min:,} to {self.bounds.max:,} pixels on each side",
            advice="Mend them, or change validate.sides; or raise validate.limits.length.",
            column="side",
            min_value=self.bounds.min,
            max_value=self.bounds.max,
        )

    def other_checks(self) -> list[Check]:
        """None: what a text is asked beyond that, a picture is not."""
        return []

    def metrics(self, tables: Tables) -> Metrics:
        """The bytes of all pictures."""
        return {"bytes": float(tables["rows"]["bytes"].sum())}

    def content(self, tables: Tables) -> dict[str, Any]:
        """The sides, and the bytes."""
        rows, longest = tables["rows"], self.bounds.max
        return {
            "lengths": [
                lengths(rows["shorter_side"], longest, "pixels of the shorter side"),
                lengths(rows["longer_side"], longest, "pixels of the longer side"),
                lengths(rows["bytes"], self.max_bytes, "bytes"),
            ]
        }


def _compared(rows: pd.DataFrame) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    """The hashes, shape (rows,), and the thumbnails, (rows, values); zeros for a picture that cannot be read."""
    black = bytes(3 * THUMBNAIL**2)
    joined = b"".join(one or black for one in rows["thumbnail"])
    return rows["hash"].to_numpy(np.uint64), np.frombuffer(joined, np.uint8).reshape(len(rows), -1)
