"""The tables that the checks are about: figures and flags, never a text."""

from collections.abc import Mapping
from typing import Literal

import pandas as pd

from stages.shared.params import SPLITS
from stages.validate.duplicates import PAIRS, overlap_column
from stages.validate.faults import Mask

Table = Literal["columns", "rows", "labels", "long_texts", "figures"]
Tables = dict[Table, pd.DataFrame]


def rows_table(rows: pd.DataFrame, faults: dict[str, Mask], figures: Mapping[str, pd.Series]) -> pd.DataFrame:
    """What is said of each row. A null means that the question does not arise, and the row is not counted.

    Args:
        rows: with what they repeat.
        faults: of each kind, which rows have it.
        figures: of the medium.
    """
    table = rows[["id", "source", "split", "parent", "answer_fault", "suggested"]].assign(**figures)
    table["duplicate"], table["conflict"] = faults["duplicate"], faults["conflict"]
    for gives, keeps in PAIRS:
        table[overlap_column(gives, keeps)] = rows[overlap_column(gives, keeps)]
    return table


def labels_table(rows: pd.DataFrame, kept: Mask, declared: list[str]) -> pd.DataFrame:
    """Kept rows in which each label occurs: `label`, then for each split their number, and share as `<split>_share`."""
    usable = rows.loc[kept, ["split", "classes"]]
    occurring = usable.explode("classes").dropna()
    labels = [*declared, *sorted(set(occurring["classes"]) - set(declared))]
    table = pd.DataFrame({"label": pd.Series(labels, dtype="str")})
    for split in SPLITS:
        counts = occurring.loc[occurring["split"] == split, "classes"].value_counts()
        table[split] = counts.reindex(labels, fill_value=0).to_numpy(dtype="int64")
        table[f"{split}_share"] = table[split] / max(1, int((usable["split"] == split).sum()))
    return table


def figures_table(
    rows: pd.DataFrame, kept: Mask, labels: pd.DataFrame, figures: Mapping[str, list[float]]
) -> pd.DataFrame:
    """One row: the medium's figures of the data as a whole; of each split its kept rows; `labels` that occur in any."""
    counts = {f"rows_{split}": [int((kept & (rows["split"] == split)).sum())] for split in SPLITS}
    occurring = int((labels[list(SPLITS)].sum(axis=1) > 0).sum())
    return pd.DataFrame({**figures, "labels": [occurring], **counts})


def long_texts_table(rows: pd.DataFrame, declared: list[str], max_tokens: int) -> pd.DataFrame:
    """How much is longer than the model reads at once: of all texts that are not empty, then of those of each class.

    Columns: `name`; `texts`; `text_share` of them; `token_share` of their tokens.
    """
    present = rows.loc[rows["key"].notna(), ["classes", "all_tokens", "tokens_beyond"]]
    present = present.assign(texts=1, long=rows["tokens"] > max_tokens)
    by_class = present.explode("classes").dropna(subset=["classes"]).groupby("classes").sum()
    names = [*declared, *sorted(set(by_class.index) - set(declared))]
    everything = present.drop(columns="classes").sum().to_frame("all").T
    sums = pd.concat([everything, by_class.reindex(names, fill_value=0)])
    return pd.DataFrame(
        {
            "name": sums.index,
            "texts": sums["texts"].astype("int64"),
            "text_share": (sums["long"] / sums["texts"].clip(lower=1)).astype(float),
            "token_share": (sums["tokens_beyond"] / sums["all_tokens"].clip(lower=1)).astype(float),
        }
    ).reset_index(drop=True)
