"""The same, or nearly the same, where it must not be: within a split, with two answers, and across splits."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages.shared.params import Split
from stages.validate.near_duplicates import Matches

# The split that gives the row up, then the split that keeps it: what is measured on is never thinned out.
PAIRS: tuple[tuple[Split, Split], ...] = (("train", "validation"), ("train", "test"), ("validation", "test"))

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Near = Callable[[Indices, Indices], Matches]


def overlap_column(gives: Split, keeps: Split) -> str:
    """The column that says of each row of `keeps` whether it is also in `gives`: no, exact or near."""
    return f"{gives}_in_{keeps}"


def partner_column(gives: Split, keeps: Split) -> str:
    """The column that names, for each row of `gives`, the row of `keeps` (by position) that it is like, or -1."""
    return f"{gives}_partner_in_{keeps}"


def usable(rows: pd.DataFrame) -> Mask:
    """Which rows have a text and an answer, so that they can be compared."""
    mask: Mask = (rows["key"].notna() & rows["answer_fault"].isna()).to_numpy(dtype=bool)
    return mask


def conflicts(rows: pd.DataFrame, codes: Indices) -> Mask:
    """Which rows share their text with a row of another answer, in any split."""
    compared = usable(rows)
    answers = rows["answer"].groupby(np.where(compared, codes, -1)).transform("nunique").to_numpy()
    conflicting: Mask = compared & (answers > 1)
    return conflicting


def first_of_split(rows: pd.DataFrame, codes: Indices) -> Indices:
    """For each row that repeats an earlier one of its split with the same answer, that one's position, else -1."""
    first = np.full(len(rows), -1, np.int64)
    compared = np.flatnonzero(usable(rows) & ~conflicts(rows, codes))
    positions = pd.Series(compared)
    groups = [rows["split"].to_numpy()[compared], codes[compared]]
    earliest = positions.groupby(groups).transform("min").to_numpy()
    repeated = compared != earliest
    first[compared[repeated]] = earliest[repeated]
    return first


def _exact_partner(codes: Indices, here: Indices, there: Indices) -> Indices:
    """For each position in `here`, the first position in `there` with the same text, or -1."""
    known, first = np.unique(codes[there], return_index=True)
    if not len(known):
        return np.full(len(here), -1)
    at = np.searchsorted(known, codes[here]).clip(max=len(known) - 1)
    return np.where(known[at] == codes[here], there[first[at]], -1)


def _near_partners(near: Near, codes: Indices, here: Indices, there: Indices) -> Matches:
    """For each position in `here` and in `there`, one on the other side that is nearly the same, or -1."""
    _, first_here, left_back = np.unique(codes[here], return_index=True, return_inverse=True)
    _, first_there, right_back = np.unique(codes[there], return_index=True, return_inverse=True)
    left, right = here[first_here], there[first_there]
    found = near(left, right)
    # a -1 in `found` picks the -1 at the end
    return Matches(left=np.append(right, -1)[found.left][left_back], right=np.append(left, -1)[found.right][right_back])


def _add_overlap(rows: pd.DataFrame, codes: Indices, gives: Split, keeps: Split, near_ones: Near) -> None:
    compared = usable(rows)
    here, there = (np.flatnonzero(compared & (rows["split"] == split).to_numpy()) for split in (gives, keeps))
    near = _near_partners(near_ones, codes, here, there)
    exact_here, exact_there = _exact_partner(codes, here, there), _exact_partner(codes, there, here)
    partner = np.full(len(rows), -1, np.int64)
    partner[here] = np.where(exact_here >= 0, exact_here, near.left)
    rows[partner_column(gives, keeps)] = partner
    kind = np.full(len(rows), None, object)
    kind[there] = np.where(exact_there >= 0, "exact", np.where(near.right >= 0, "near", "no"))
    rows[overlap_column(gives, keeps)] = pd.Series(kind, index=rows.index, dtype="str")


def add_duplicates(rows: pd.DataFrame, near: Near) -> None:
    """Add to the rows what they repeat, given what finds those that are nearly the same, by position.

    Columns: text_code (equal for equal texts); conflict; first_in_split (position or -1); and for each pair of PAIRS
    `<gives>_partner_in_<keeps>` and `<gives>_in_<keeps>` (null where the row is not of `keeps`).
    """
    codes = pd.factorize(rows["key"])[0].astype(np.int64)
    rows["text_code"] = codes
    rows["conflict"] = conflicts(rows, codes)
    rows["first_in_split"] = first_of_split(rows, codes)
    for gives, keeps in PAIRS:
        _add_overlap(rows, codes, gives, keeps, near)
