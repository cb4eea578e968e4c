"""The ladder on your own data at several sizes: what simpler models make of the same test split, and what each costs.

    python -m benchmarks.ladder params.yaml --examples 100 1000 all --updates 200 --set train.epochs=3

The rows are ingested and validated once. Of a size so many training rows are drawn by the seed, labels in proportion
(and as many validation rows at most); nothing is augmented. Then train and evaluate run, with evaluate.ladder. With
--updates few rows are passed over more often, until the weights were updated so often.
"""

import argparse
import json
import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

import flows  # noqa: F401  telemetry off
from benchmarks.methods import LOOSE, params_with
from flows.perform import perform
from stages.shared.examples import Example, features, read_split, write_split
from stages.shared.markdown import table
from stages.shared.params import SPLITS, Params
from stages.tasks import Task, task_of


def drawn_rows(rows: Sequence[Example], task: Task, count: int, seed: int) -> list[Example]:
    """So many rows, each label in proportion, one of each at least; all of them where there are no more."""
    if count >= len(rows):
        return list(rows)
    by_label: dict[str, list[Example]] = defaultdict(list)
    for row in random.Random(seed).sample(list(rows), len(rows)):
        by_label[task.stratum(row)].append(row)
    first = [some[0] for _, some in sorted(by_label.items())]
    waiting = [row for some in by_label.values() for row in some[1:]]
    return [*first, *random.Random(seed).sample(waiting, max(0, count - len(first)))]


def write_drawn(size: str, validated: Path, out: Path, params: Params) -> int:
    """Write the splits with so many training rows; give how many there are."""
    task, counts = task_of(params.task), {}
    out.mkdir(parents=True)
    for split in SPLITS:
        kept = list(read_split(validated, split))
        if split != "test" and size != "all":
            kept = drawn_rows(kept, task, int(size), params.seed)
        write_split(out, split, kept, features(task.columns))
        counts[split] = len(kept)
    return counts["train"]


def run(size: str, prepared: Path, updates: int, params: Params, folder: Path) -> dict[str, dict[str, float]]:
    """The figures of each rung with so many training rows."""
    rows = folder / "rows"
    count = write_drawn(size, prepared / "validate", rows, params)
    per_epoch = math.ceil(count / (params.train.batch_size * params.train.accumulation))
    epochs = max(params.train.epochs, math.ceil(updates / per_epoch))
    params = params.model_copy(update={"train": params.train.model_copy(update={"epochs": epochs})})
    perform("train", [rows, prepared / "pretrain", folder / "train"], params)
    outcome = perform("evaluate", [rows, folder / "train", folder / "evaluate"], params)
    found = {name.removeprefix("ladder: "): figures for name, figures in outcome.children.items()}
    print(json.dumps({"examples": size, "rungs": found}), flush=True)
    return found


def report(found: dict[str, dict[str, dict[str, float]]], primary: str) -> str:
    """A Markdown table: a row for each rung, and for each size its quality, seconds of training, milliseconds."""
    names = list(dict.fromkeys(name.partition(", C =")[0] for rungs in found.values() for name in rungs))
    header = ["model", *(f"{size}: {what}" for size in found for what in (primary, "s")), "ms", "MB"]
    rows = []
    for name in names:
        several = [
            next(figures for rung, figures in rungs.items() if rung.startswith(name)) for rungs in found.values()
        ]
        cells = [
            cell
            for one in several
            for cell in (f"{one[f'test.{primary}']:.3f}", f"{one.get('train_seconds', float('nan')):.1f}")
        ]
        rows.append([name, *cells, f"{several[-1]['milliseconds']:.2f}", f"{several[-1]['megabytes']:.1f}"])
    return table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", type=Path)
    parser.add_argument("--examples", nargs="+", default=["100", "1000", "all"])
    parser.add_argument("--updates", type=int, default=0, help="at least so many updates of the weights")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="such as train.epochs=5")
    options = parser.parse_args()
    given = {key: YAML(typ="safe").load(value) for key, value in (pair.split("=", 1) for pair in options.set)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        params = params_with(options.params, LOOSE | {"evaluate.ladder": True} | given, folder)
        perform("ingest", [Path(params.ingest.source.path), folder / "ingest"], params)
        perform("validate", [folder / "ingest", folder / "validate"], params)
        perform("pretrain", [folder / "validate", folder / "pretrain"], params)
        found = {size: run(size, folder, options.updates, params, folder / size) for size in options.examples}
    print(f"\n{report(found, task_of(params.task).primary)}")


if __name__ == "__main__":
    main()
