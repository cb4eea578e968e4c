"""Which rows are set aside, and why."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages.shared.params import Bounds, FaultLimits
from stages.validate.duplicates import PAIRS, partner_column
from stages.validate.medium import Medium

KINDS = (*FaultLimits.model_fields, "label_error")
_SHOWN = 60  # characters of an answer

Mask = npt.NDArray[np.bool_]


def _is_leak(rows: pd.DataFrame, exact: bool) -> Mask:
    """Which rows are, exactly or nearly, in a split that keeps its copy."""
    codes = rows["text_code"].to_numpy()
    exactly, nearly = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for gives, keeps in PAIRS:
        partner = rows[partner_column(gives, keeps)].to_numpy()
        same = codes[partner] == codes
        exactly |= (partner >= 0) & same
        nearly |= (partner >= 0) & ~same
    leaking: Mask = exactly if exact else nearly & ~exactly
    return leaking


def find_faults(rows: pd.DataFrame, bounds: Bounds) -> dict[str, Mask]:
    """Which rows have each kind of fault but `label_error`; one may have several. The bounds are of their sizes."""
    empty = rows["key"].isna().to_numpy()
    too_short = (rows["shortest"] < bounds.min).to_numpy()
    too_long = (rows["longest"] > bounds.max).to_numpy()
    return {
        "empty_text": empty,
        "unusable_label": rows["answer_fault"].notna().to_numpy(),
        "length": ~empty & (too_short | too_long),
        "duplicate": (rows["first_in_split"] >= 0).to_numpy(),
        "conflict": rows["conflict"].to_numpy(),
        "leak": _is_leak(rows, exact=True),
        "near_leak": _is_leak(rows, exact=False),
    }


def is_kept(faults: dict[str, Mask]) -> Mask:
    """Which rows go on to the next stage."""
    kept: Mask = ~np.logical_or.reduce(list(faults.values()))
    return kept


def _shortened(answer: str) -> str:
    return answer if len(answer) <= _SHOWN else f"{answer[: _SHOWN - 1]}…"


class _Reasons:
    """Says in words why a row is set aside, naming other rows by their place."""

    def __init__(self, rows: pd.DataFrame, medium: Medium) -> None:
        self.columns: dict[str, Any] = {name: rows[name].to_numpy() for name in rows.columns}
        self.rows, self.medium, self.noun = rows, medium, medium.noun
        self.by_code = rows.loc[rows["conflict"]].groupby("text_code").indices
        self.conflicting = np.flatnonzero(rows["conflict"].to_numpy())

    def empty_text(self, row: int) -> str:
        return self.medium.emptiness(self.rows, row)

    def unusable_label(self, row: int) -> str:
        return str(self.columns["answer_fault"][row])

    def length(self, row: int) -> str:
        shortest, longest = self.columns["shortest"][row], self.columns["longest"][row]
        bounds = self.medium.bounds
        size = shortest if shortest < bounds.min else longest
        return f"{size} {self.medium.unit}, allowed {bounds.min} to {bounds.max}"

    def duplicate(self, row: int) -> str:
        first, codes = self.columns["first_in_split"][row], self.columns["text_code"]
        return self._same(first) if codes[first] == codes[row] else self._near(row, first)

    def conflict(self, row: int) -> str:
        others = self.conflicting[self.by_code[self.columns["text_code"][row]]]
        answers = self.columns["answer"]
        other = next(position for position in others if answers[position] != answers[row])
        if self.medium.task.answers_are_texts:
            return f"something else is expected at {self._name(other)}"
        word = "labelled" if self.columns["classes"][row] == (answers[row],) else "expected"
        return f"{word} '{_shortened(answers[row])}' here and '{_shortened(answers[other])}' at {self._name(other)}"

    def leak(self, row: int) -> str:
        codes = self.columns["text_code"]
        return self._same(next(p for p in self._partners(row) if codes[p] == codes[row]))

    def label_error(self, row: int) -> str:
        own, other = self.columns["answer"][row], self.columns["suggested"][row]
        return f"labelled '{_shortened(own)}', probably '{_shortened(other)}'"

    def near_leak(self, row: int) -> str:
        return self._near(row, next(self._partners(row)))

    def _same(self, other: int) -> str:
        return f"same {self.noun} as {self._name(other)}"

    def _near(self, row: int, other: int) -> str:
        return f"nearly the {self.noun} of {self._name(other)}, {self.medium.nearness(self.rows, row, other)}"

    def _partners(self, row: int) -> Iterator[int]:
        found = (self.columns[partner_column(gives, keeps)][row] for gives, keeps in PAIRS)
        return (int(position) for position in found if position >= 0)

    def _name(self, row: int) -> str:
        return f"{self.columns['source'][row]} ({self.columns['split'][row]})"


def rejections(rows: pd.DataFrame, faults: dict[str, Mask], medium: Medium) -> Iterator[dict[str, Any]]:
    """The rows that are set aside, in order: {"id", "source", "split", "reasons": ["kind: why", ...]}.

    Of the data it quotes labels and the places of spans that are at fault, and no text.
    """
    reasons = _Reasons(rows, medium)
    for row in np.flatnonzero(~is_kept(faults)):
        yield {
            "id": reasons.columns["id"][row],
            "source": reasons.columns["source"][row],
            "split": reasons.columns["split"][row],
            "reasons": [f"{kind}: {getattr(reasons, kind)(row)}" for kind in KINDS if faults[kind][row]],
        }
