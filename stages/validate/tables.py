"""The tables that the checks are about: figures and flags, never a text."""

from typing import Literal

import pandas as pd

from stages.shared.params import SPLITS, Validate
from stages.validate.duplicates import PAIRS, overlap_column
from stages.validate.faults import Mask

Table = Literal["columns", "rows", "labels", "figures"]
Tables = dict[Table, pd.DataFrame]


def rows_table(rows: pd.DataFrame, faults: dict[str, Mask], params: Validate) -> pd.DataFrame:
    """What is said of each row. A null means that the question does not arise, and the row is not counted."""
    table = rows[["id", "source", "split", "parent", "answer_fault", "language"]].copy()
    empty = faults["empty_text"]
    # of several texts the one that is out of bounds, if any
    too_short = rows["shortest"] < params.characters.min
    table["characters"] = rows["longest"].where(~too_short, rows["shortest"]).astype("Int32").mask(empty)
    table["tokens"] = rows["tokens"].astype("Int32").mask(empty)
    table["duplicate"], table["conflict"] = faults["duplicate"], faults["conflict"]
    for gives, keeps in PAIRS:
        table[overlap_column(gives, keeps)] = rows[overlap_column(gives, keeps)]
    return table


def labels_table(rows: pd.DataFrame, kept: Mask, declared: list[str]) -> pd.DataFrame:
    """Kept rows of each label: `label`, then for each split its rows, and its share as `<split>_share`."""
    usable = rows.loc[kept, ["split", "answer"]]
    labels = [*declared, *sorted(set(usable["answer"]) - set(declared))]
    table = pd.DataFrame({"label": pd.Series(labels, dtype="str")})
    for split in SPLITS:
        counts = usable.loc[usable["split"] == split, "answer"].value_counts()
        table[split] = counts.reindex(labels, fill_value=0).to_numpy(dtype="int64")
        table[f"{split}_share"] = table[split] / max(1, table[split].sum())
    return table


def figures_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row: what is measured of the data as a whole."""
    unknown = rows["unknown_tokens"].sum() / max(1, rows["tokens"].sum())
    return pd.DataFrame({"unknown_token_share": [float(unknown)]})
