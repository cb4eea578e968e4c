"""What examples are made of, texts or pictures: how they are measured and compared, and what is expected of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages.shared.outcome import Metrics
from stages.shared.params import Bounds

if TYPE_CHECKING:
    from stages.tasks import Task
    from stages.validate.check import Check
    from stages.validate.near_duplicates import Matches
    from stages.validate.tables import Tables

Indices = npt.NDArray[np.int64]


class Medium(Protocol):
    """What `medium_of` gives."""

    task: Task
    """What is predicted of them."""
    noun: str
    """What one is called: text, picture."""
    unit: str
    """What its size is counted in."""
    bounds: Bounds
    """Of its size."""

    def read_rows(self, ingested: Path) -> pd.DataFrame:
        """The figures of every example of every split, in the order of the files.

        Columns: split, id, source, parent; key (what equal ones share, null where there is nothing, or nothing that
        can be read); answer; answer_fault (null when there is none); classes (a tuple); shortest, longest (sizes);
        others of its own.
        """
        ...

    def near(self, rows: pd.DataFrame, left: Indices, right: Indices) -> Matches:
        """For each of two collections of rows one on the other side that is nearly the same.

        Args:
            rows: of `read_rows`.
            left, right: positions of rows whose keys differ from one another on each side.
        """
        ...

    def add_repeated(self, rows: pd.DataFrame) -> None:
        """Set first_in_split of rows that are nearly an earlier one of their split, where that is a fault."""
        ...

    def nearness(self, rows: pd.DataFrame, one: int, other: int) -> str:
        """How near two rows are, in words."""
        ...

    def emptiness(self, rows: pd.DataFrame, row: int) -> str:
        """Why there is nothing in a row, in words."""
        ...

    def row_figures(self, rows: pd.DataFrame) -> dict[str, pd.Series]:
        """What the table of rows holds beside the columns of all."""
        ...

    def tables(self, rows: pd.DataFrame) -> Tables:
        """Tables of its own."""
        ...

    def figures(self, rows: pd.DataFrame) -> dict[str, list[float]]:
        """What is measured of the data as a whole, for the table of figures."""
        ...

    def empty_check(self) -> Check:
        """That there is something in every row."""
        ...

    def size_check(self) -> Check:
        """That no size is out of bounds."""
        ...

    def other_checks(self) -> list[Check]:
        """What else is expected."""
        ...

    def metrics(self, tables: Tables) -> Metrics:
        """The figures of its own tables."""
        ...

    def content(self, tables: Tables) -> dict[str, Any]:
        """What its part of the report shows: `lengths`, and the rest by the names that the templates have."""
        ...


def size_of(rows: pd.DataFrame, bounds: Bounds) -> pd.Series:
    """Of the sizes of each row the one that is out of bounds, if any, else the largest; null where there is none."""
    too_short = rows["shortest"] < bounds.min
    return rows["longest"].where(~too_short, rows["shortest"]).astype("Int32").mask(rows["key"].isna().to_numpy())
