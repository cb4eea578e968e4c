"""Make examples from the rows of a source: typed, cleaned, with an id; set aside those that cannot be read."""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np

from serving.text import clean, count_stray
from stages.ingest.cut import CODES, cut_key
from stages.shared.errors import DataError
from stages.shared.examples import Example
from stages.sources import Row
from stages.tasks import Task

_SHOWN = 10  # rejected rows that an error lists
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def as_text(value: Any) -> str:
    """A value of the source as text: 1 is `1`, true is `true`.

    Raises:
        ValueError: there is no value, or it is a list or an object.
    """
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN, as data frames write what is missing
        raise ValueError("no value")
    if isinstance(value, list | dict | bytes):
        kind = {list: "a list", dict: "an object", bytes: "bytes"}[type(value)]
        raise ValueError(f"{kind}, where a text should be")
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed(value: Any, dtype: str) -> Any:
    """A value as a column of the task holds it.

    Raises:
        ValueError: it cannot be one.
    """
    if dtype == "string":
        return as_text(value)
    if value is None:
        raise ValueError("no value")
    if dtype.startswith(("int", "uint")):
        return int(value)
    return float(value) if dtype.startswith("float") else value


def content_id(example: Example, columns: Iterable[str]) -> str:
    """16 hexadecimal digits of what the example says; the same wherever the row stands."""
    content = _ENCODER.encode([example[name] for name in columns])
    return blake2b(content.encode(), digest_size=8).hexdigest()


class Intake:
    """Makes examples from rows, and keeps what the cut and the report need to know of them, a few bytes a row."""

    def __init__(self, task: Task, label_names: dict[str, str], seed: int) -> None:
        self.task, self.label_names, self.seed = task, label_names, seed
        self.columns = sorted(task.COLUMNS)
        self.rows = self.accepted = self.cleaned = self.stray = self.repeated = 0
        self.rejected: list[dict[str, str]] = []
        self.given: set[str] = set()
        self.keys, self.splits, self.answers = array("Q"), array("B"), array("L")
        self.answer_codes: dict[str, int] = {}
        self._copies: Counter[int] = Counter()
        self._given_ids: set[bytes] = set()

    def examples(self, rows: Iterable[Row]) -> Iterator[Example]:
        """The examples of the rows that can be read; the others go to `rejected`."""
        for row in rows:
            self.rows += 1
            self.given.add(row.split)
            try:
                if row.fault:
                    raise ValueError(row.fault)
                example = self._example(row)
            except ValueError as error:
                self.rejected.append({"place": row.place, "reason": str(error), "split": row.split})
                continue
            self._note(row.split, example)
            yield example

    def _example(self, row: Row) -> Example:
        raw = {name: self._value(row, name) for name in self.columns}
        given = self._given_id(row)
        texts = self.task.texts(raw)
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in raw.items()}
        named = {name: self.label_names.get(v, v) if isinstance(v, str) else v for name, v in stripped.items()}
        example = self.task.with_texts(named, tuple(self._clean(text) for text in texts))
        example["id"] = given or self._own_id(example)
        return {**example, "source": row.place, "parent": "", "made_by": ""}

    def _value(self, row: Row, name: str) -> Any:
        try:
            return typed(row.values[name], getattr(self.task.COLUMNS[name], "dtype", "list"))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from None

    def _clean(self, text: str) -> str:
        cleaned = clean(text)
        if cleaned != text:
            self.cleaned += 1
            self.stray += count_stray(text)
        return cleaned

    def _given_id(self, row: Row) -> str | None:
        if "id" not in row.values:
            return None
        try:
            given = as_text(row.values["id"]).strip()
        except ValueError as error:
            raise ValueError(f"id: {error}") from None
        digest = blake2b(given.encode(), digest_size=16).digest()
        if not given or digest in self._given_ids:
            raise ValueError(f"id: '{given}' is also that of a row before" if given else "id: empty")
        self._given_ids.add(digest)
        return given

    def _own_id(self, example: Example) -> str:
        own = content_id(example, self.columns)
        self._copies[int(own, 16)] += 1
        copy = self._copies[int(own, 16)]
        self.repeated += copy > 1
        return own if copy == 1 else f"{own}-{copy}"

    def _note(self, split: str, example: Example) -> None:
        self.accepted += 1
        self.keys.append(cut_key(self.task.texts(example), self.seed))
        self.splits.append(CODES[split])
        answer = self.task.answer(example)
        self.answers.append(self.answer_codes.setdefault(answer, len(self.answer_codes)))

    def answer_ranks(self) -> np.ndarray:
        """For each row, the place of its answer among all answers in alphabetical order, shape (rows,)."""
        ranks = {answer: rank for rank, answer in enumerate(sorted(self.answer_codes))}
        rank_of_code = np.array([ranks[answer] for answer in self.answer_codes], dtype=np.int64)
        return rank_of_code[np.asarray(self.answers, dtype=np.int64)]

    def check(self, max_rejected_share: float) -> None:
        """Raise DataError when no row can be read, or more than this fraction cannot."""
        rejected = len(self.rejected)
        if self.accepted + rejected != self.rows:
            raise RuntimeError(f"{self.rows} rows read, {self.accepted} accepted, {rejected} rejected: one went astray")
        if rejected <= max_rejected_share * self.rows and self.accepted:
            return
        shown = [f"  {row['place']}: {row['reason']}" for row in self.rejected[:_SHOWN]]
        more = [f"  and {rejected - _SHOWN:,} more"] if rejected > _SHOWN else []
        title = (
            f"{rejected:,} of {self.rows:,} rows cannot be read; ingest.max_rejected_share is {max_rejected_share:g}:"
        )
        remedy = "Mend the rows, see whether the options of ingest.source fit the file, or raise the limit."
        raise DataError("\n".join([title, *shown, *more, remedy]))
