"""Make examples from the rows of a source: typed, cleaned, with an id; set aside those that cannot be read."""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np

from serving.text import CleanText, count_stray
from stages.ingest.cut import CODES, cut_key
from stages.ingest.values import Columns, as_text
from stages.shared.errors import DataError
from stages.shared.examples import Example
from stages.sources import Row
from stages.tasks import Task, texts_of

_SHOWN = 10  # rejected rows that an error lists
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=lambda data: sha256(data).hexdigest())


def content_id(example: Example, columns: Iterable[str]) -> str:
    """16 hexadecimal digits of what the example says; the same wherever the row stands."""
    content = _ENCODER.encode([example[name] for name in columns])
    return blake2b(content.encode(), digest_size=8).hexdigest()


class Intake:
    """Makes examples from rows, and keeps what the cut and the report need to know of them, a few bytes a row."""

    def __init__(self, task: Task, columns: Columns, seed: int, watched: Path) -> None:
        self.task, self.columns, self.seed, self.watched = task, columns, seed, watched
        self.rows = self.accepted = self.cleaned = self.stray = self.repeated = 0
        self.rejected: list[dict[str, str]] = []
        self.given: set[str] = set()
        self.keys, self.splits, self.strata = array("Q"), array("B"), array("L")
        self.stratum_codes: dict[str, int] = {}
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
        raw = self.columns.of(self.task.opened(row.values, row.folder or self.watched, self.watched))
        given = self._given_id(row)
        example = self.columns.with_clean_lists(self._clean(raw))
        example["id"] = given or self._own_id(example)
        return {**example, "source": row.place, "parent": "", "made_by": ""}

    def _clean(self, raw: Example) -> Example:
        """The example with clean texts, and its spans where they lie in those."""
        texts = [CleanText(text) for text in texts_of(self.task, raw)]
        odd = [text for text in texts if text.text != text.given]
        if not odd:
            return raw
        self.cleaned += len(odd)
        self.stray += sum(count_stray(text.given) for text in odd)
        return self.task.with_texts(raw, tuple(text.text for text in texts), [text.position for text in texts])

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
        own = content_id(example, self.columns.names)
        self._copies[int(own, 16)] += 1
        copy = self._copies[int(own, 16)]
        self.repeated += copy > 1
        return own if copy == 1 else f"{own}-{copy}"

    def _note(self, split: str, example: Example) -> None:
        self.accepted += 1
        self.keys.append(cut_key(tuple(example[name] for name in self.task.together), self.seed))
        self.splits.append(CODES[split])
        stratum = self.task.stratum(example)
        self.strata.append(self.stratum_codes.setdefault(stratum, len(self.stratum_codes)))

    def stratum_ranks(self) -> np.ndarray:
        """For each row, the place of its stratum among all of them in alphabetical order, shape (rows,)."""
        ranks = {stratum: rank for rank, stratum in enumerate(sorted(self.stratum_codes))}
        rank_of_code = np.array([ranks[stratum] for stratum in self.stratum_codes], dtype=np.int64)
        return rank_of_code[np.asarray(self.strata, dtype=np.int64)]

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
