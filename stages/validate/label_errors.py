"""Labels that are probably wrong: those that a probe which has not seen the row finds unlikely, by confident learning.

The probe is logistic regression on the embeddings of the base model, fitted on the other folds of all kept rows. Of
each class as many rows are suspected as are likely to be wrong in it, the least likely ones.
Source: Northcutt et al. 2021, Confident learning, arXiv:1911.00068 (prune by class), by cleanlab
"""

import importlib.util
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.shared.base_model import base_of
from stages.shared.csv_files import write_csv
from stages.shared.errors import MachineError
from stages.shared.params import SPLITS, LabelErrors, Params
from stages.shared.probe import Embedder, fit_probe, require_probe
from stages.tasks import Task
from stages.validate.check import Check, at_most
from stages.validate.faults import Mask
from stages.validate.rows import batches_of

FILE = "label_errors.csv"
STRENGTH = 4.0  # inverse regularisation C of the probe
LISTED = 20  # pairs of labels in the reports


def check_label_errors(task: Task, params: Params) -> None:
    """Raise where wrong labels are to be found and cannot be.

    Raises:
        ParamsError: the task is not one label a text, or there is no base yet. MachineError: cleanlab is missing.
    """
    if params.validate_.label_errors is None:
        return
    require_probe("validate.label_errors", "null", task, params)
    if importlib.util.find_spec("cleanlab") is None:
        raise MachineError(
            "validate.label_errors: needs the Python package cleanlab. Install it with "
            "pip install -c constraints.txt -e '.[labels]', or set validate.label_errors to null."
        )


def probabilities_of(vectors: Any, labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """What a probe that was fitted on the other folds says of each row, shape (rows, labels)."""
    from sklearn.model_selection import StratifiedKFold

    found = np.zeros((len(labels), labels.max() + 1))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(vectors, labels)
    for seen, unseen in parts:
        probe = fit_probe(vectors[seen], labels[seen].tolist(), STRENGTH)
        found[np.ix_(unseen, probe.classes_)] = probe.predict_proba(vectors[unseen])
    return found


def add_label_errors(rows: pd.DataFrame, kept: Mask, ingested: Path, task: Task, params: Params) -> None:
    """Add the columns `suggested` (another label, null where the row's own is likely), and of both the probability.

    Args:
        kept: the rows that have no fault; the others are not looked at.
    """
    rows["suggested"] = pd.Series([None] * len(rows), dtype="str")
    rows["suggested_probability"], rows["own_probability"] = np.nan, np.nan
    wanted, base = params.validate_.label_errors, base_of(params)
    if wanted is None or base is None:
        return
    from cleanlab.filter import find_label_issues

    from stages.shared.fitting import make_repeatable

    make_repeatable(params.seed, params.train.threads)
    texts = chain.from_iterable(batch for split in SPLITS for batch in batches_of(ingested, split))
    places = np.flatnonzero(kept)
    examples = [example for example, good in zip(texts, kept, strict=True) if good]
    own = rows["answer"].to_numpy()[places]
    names, labels, counts = np.unique(own.astype(str), return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        return  # of a label that occurs once nothing can be said without it; too few rows are refused elsewhere
    vectors = Embedder(task, base.folder).of(examples, "embed")
    said = probabilities_of(vectors, labels, min(wanted.folds, int(counts.min())), params.seed)
    best = said.argmax(axis=1)
    suspected = find_label_issues(labels, said, filter_by="prune_by_class", n_jobs=1) & (best != labels)
    at = places[suspected]
    rows.loc[at, "suggested"] = names[best[suspected]]
    rows.loc[at, "suggested_probability"] = said[suspected, best[suspected]]
    rows.loc[at, "own_probability"] = said[suspected, labels[suspected]]


def label_errors(rows: pd.DataFrame, wanted: LabelErrors | None) -> Mask:
    """Which rows are set aside for their label: the suspected ones, where params.yaml says so; never of test."""
    if wanted is None or not wanted.set_aside:
        return np.zeros(len(rows), bool)
    suspected: Mask = rows["suggested"].notna().to_numpy() & (rows["split"] != "test").to_numpy()
    return suspected


def label_errors_checks(wanted: LabelErrors | None) -> list[Check]:
    """That not too many labels are suspected, where they are looked for."""
    if wanted is None:
        return []
    return [
        at_most(
            wanted.max_share,
            "label_errors",
            "ExpectColumnValuesToBeNull",
            noun="rows",
            fault="have a label that is probably wrong",
            advice=f"Look at {FILE} beside this report, and mend the labels; or raise validate.label_errors.max_share.",
            column="suggested",
        )
    ]


def write_label_errors(out: Path, rows: pd.DataFrame) -> None:
    """Write label_errors.csv: the suspected rows, the surest first."""
    found = rows[rows["suggested"].notna()]
    found = found.sort_values(["own_probability", "id"], kind="stable")
    columns = ["id", "source", "split", "answer", "suggested", "own_probability", "suggested_probability"]
    rounded = found[columns].round({"own_probability": 4, "suggested_probability": 4})
    header = ("id", "source", "split", "label", "suggested", "probability_of_label", "probability_of_suggested")
    write_csv(out / FILE, header, rounded.itertuples(index=False))


def label_errors_content(rows: pd.DataFrame, wanted: LabelErrors | None) -> dict[str, Any]:
    """What the reports show of them: by split, and the pairs of labels that are most often mixed up."""
    found = rows[rows["suggested"].notna()]
    pairs = found.groupby(["answer", "suggested"]).size().sort_values(ascending=False, kind="stable")
    by_split = {split: int((found["split"] == split).sum()) for split in SPLITS}
    shown = [(own, other, int(count)) for (own, other), count in pairs.head(LISTED).items()]
    looked = wanted is not None
    return {"label_errors": {"by_split": by_split, "pairs": shown, "file": FILE} if looked else None}
