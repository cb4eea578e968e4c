"""Augmentation on trial, on your own data: the test figure without copies, with them, with those that a trial leaves.

    python -m benchmarks.augmentation params.yaml --seeds 13 14 15
    python -m benchmarks.augmentation params.yaml --rows 200 --planted

With --rows the training and the validation split are cut to so many. The same rows and seed give the same model: it
is trained once. With --planted back-translation gives copies that have the words of a row of another label; the trial
must leave them out, which alone is told: nothing is trained.
"""

import argparse
import hashlib
import importlib
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import flows  # noqa: F401  telemetry off
from benchmarks.label_noise import figure_of
from benchmarks.ladder import drawn_rows
from benchmarks.methods import ALIKE, LOOSE, params_with
from flows.perform import perform
from stages.augment.copies import Change, Copy, copy_of, random_of
from stages.shared.examples import Example, features, read_split, write_split
from stages.shared.params import SPLITS, Params
from stages.tasks import task_of

OFF = {"augment.synonyms.copies": 0, "augment.back_translation.copies": 0}
WAYS: dict[str, dict[str, Any]] = {"none": OFF, "all": {}, "trial": {"augment.trial": True}}


def flipped(train: Any, task: Any, params: Params) -> Iterator[tuple[Example, Copy]]:
    """Copies with the words of a row of another label."""
    rows = list(train)
    (column,) = task.texts
    for row in rows:
        drawn = random_of(params.seed, row, "flip")
        others = [other for other in drawn.sample(rows, min(len(rows), 50)) if task.answer(other) != task.answer(row)]
        if others:
            change = Change(0, f"{others[0][column]} .", lambda place: place)
            yield row, Copy(copy_of(row, task, change, "flip", "flipped"))


def run(
    at: Path, way: str, seed: int, options: argparse.Namespace, given: dict[str, Any], known: dict[str, float]
) -> dict[str, Any]:
    """Augment, train and measure in one way; what rows gave is known by their digest."""
    folder = at / f"{way}.{seed}"
    params = params_with(options.params, LOOSE | ALIKE | WAYS[way] | given | {"seed": seed}, folder)
    told = perform("augment", [at / "rows", folder / "augment"], params).metrics
    rows = folder / "rows"
    rows.mkdir()
    task = task_of(params.task)
    for split in SPLITS:
        source = at / "rows" if split == "test" else folder / "augment"
        write_split(rows, split, list(read_split(source, split)), features(task.columns))
    found = {"way": way, "seed": seed} | {name: value for name, value in told.items() if name.startswith("trial.")}
    if not options.planted:
        learnt = json.dumps([seed, *read_split(rows, "train")], sort_keys=True)
        digest = hashlib.sha256(learnt.encode()).hexdigest()
        if digest not in known:
            known[digest] = figure_of(rows, at / "pretrain", folder, params, options.metric)
        found["test"] = known[digest]
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[13])
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="such as train.epochs=5")
    options = parser.parse_args()
    given = {key: YAML(typ="safe").load(value) for key, value in (pair.split("=", 1) for pair in options.set)}
    if options.planted:
        options.ways = ["trial"]
        stage: Any = importlib.import_module("stages.augment")
        stage.back_translated = lambda train, task, params, _timings: flipped(train, task, params)
    with tempfile.TemporaryDirectory() as scratch:
        at = Path(scratch)
        params = params_with(options.params, LOOSE | given, at)
        perform("ingest", [Path(params.ingest.source.path), at / "ingest"], params)
        perform("validate", [at / "ingest", at / "validate"], params)
        perform("pretrain", [at / "validate", at / "pretrain"], params)
        task = task_of(params.task)
        (at / "rows").mkdir()
        for split in SPLITS:
            kept = list(read_split(at / "validate", split))
            if options.rows and split != "test":
                kept = drawn_rows(kept, task, options.rows, params.seed)
            write_split(at / "rows", split, kept, features(task.columns))
        known: dict[str, float] = {}
        found = [run(at, way, seed, options, given, known) for seed in options.seeds for way in options.ways]
    for way in [] if options.planted else options.ways:
        values = [row["test"] for row in found if row["way"] == way]
        print(f"{way:6} {statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})")


if __name__ == "__main__":
    main()
