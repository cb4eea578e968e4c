"""Read the labelled rows, give each a stable id, cut the splits that are missing.

in    the file or folder that params.ingest.source.path names
out   train.parquet, validation.parquet, test.parquet   one Example per row, in the order of the source
      rejected.jsonl                                    place, reason and split of each row that cannot be read
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from stages.ingest.cut import CODES, WHOLE, assign
from stages.ingest.intake import Intake
from stages.ingest.values import Columns
from stages.shared import plugins
from stages.shared.examples import Example, features, pieces_of, write_rejected, write_split
from stages.shared.outcome import Outcome
from stages.shared.params import SPLITS, Params, Split
from stages.sources import Source
from stages.tasks import task_of

__all__ = ["ingest"]


def _chosen(file: Path, mask: np.ndarray) -> Iterator[Example]:
    """The examples of a Parquet file for which the mask, shape (rows,), is true."""
    start = 0
    for piece in pieces_of(file):
        yield from piece.filter(mask[start : start + piece.num_rows]).to_pylist()
        start += piece.num_rows


def ingest(source: Path, out: Path, params: Params) -> Outcome:
    """Read the rows of the source, clean their texts, and write one file per split.

    Raises:
        MachineError: a file is missing. ParamsError: the source's options do not fit it or the task.
        DataError: the source cannot be read as its options say, too many rows cannot, or a split is empty.
    """
    options = params.ingest.source
    reader = cast(Source, plugins.load("sources", options.name))
    task = task_of(params.task)
    columns = features(task.columns)
    names, separator = params.ingest.label_names, params.ingest.label_separator
    intake = Intake(task, Columns(task.columns, task.texts, names, separator), params.seed, source)
    with TemporaryDirectory(dir=out) as scratch:
        rows = reader.read(source, options, tuple(task.columns))
        write_split(Path(scratch), WHOLE, intake.examples(rows), columns)
        intake.check(params.ingest.max_rejected_share)
        keys = np.array(intake.keys, dtype=np.uint64)
        ranks, fractions = intake.stratum_ranks(), params.ingest.splits
        splits, missing = assign(np.array(intake.splits), keys, ranks, intake.given, fractions)
        file = Path(scratch) / f"{WHOLE}.parquet"
        counts = {s: write_split(out, s, _chosen(file, splits == CODES[s]), columns) for s in SPLITS}
    write_rejected(out, intake.rejected)
    return _outcome(intake, counts, missing)


def _outcome(intake: Intake, counts: dict[Split, int], missing: list[Split]) -> Outcome:
    rejected = len(intake.rejected)
    if sum(counts.values()) + rejected != intake.rows:
        raise RuntimeError(f"{intake.rows} rows read, {counts} written, {rejected} rejected: one went astray")
    metrics = {
        "rows.read": intake.rows,
        "rows.rejected": rejected,
        "rows.repeated": intake.repeated,
        "texts.cleaned": intake.cleaned,
        "texts.stray_characters": intake.stray,
        **{f"rows.{split}": count for split, count in counts.items()},
    }
    written = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    how = f"cut from train: {', '.join(missing)}" if missing else "all splits given"
    summary = f"{intake.rows:,} rows read, {rejected:,} rejected; {written} ({how})"
    return Outcome(summary, {name: float(value) for name, value in metrics.items()}, tags={"splits": how})
