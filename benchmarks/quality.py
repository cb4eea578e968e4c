"""Quality of our training against transformers' Trainer: the same data, base, epochs, batch size, rate and seeds.

    python -m benchmarks.quality                           the bundled sample
    python -m benchmarks.quality --params my/params.yaml   your data
    python -m benchmarks.quality --processes 2             two trainings at once, of one thread each

The rows are ingested and validated once. Ours is the stage `train` as the parameters say; the Trainer trains in float32
with its defaults, pads to the longest of a batch and takes the epoch that is best on validation, as ours does.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

import flows  # noqa: F401  telemetry off
from benchmarks.comparing import Comparison, publish
from benchmarks.methods import LOOSE, params_with, prepare
from flows.perform import perform
from stages.shared.base_model import find_base, tokenizer_of
from stages.shared.examples import read_split
from stages.shared.held_out import answer_all
from stages.shared.params import SPLITS, Params
from stages.tasks import task_of

SECTION = {"train.method": {"name": "full"}, "train.regularizers": [], "train.ensemble": None, "train.patience": 100}


def ours(prepared: Path, params: Params, folder: Path) -> tuple[float, float]:
    """Accuracy on the test split, and the seconds of the stage."""
    task = task_of(params.task)
    started = time.perf_counter()
    perform("train", [prepared / "validate", prepared / "pretrain", folder / "train"], params)
    seconds = time.perf_counter() - started
    splits = {split: list(read_split(prepared / "validate", split)) for split in SPLITS}
    answers, _ = answer_all(task, folder / "train/model", splits, params)
    return task.metrics(splits["test"], answers.predictions)["accuracy"], seconds


def by_trainer(prepared: Path, params: Params, folder: Path) -> tuple[float, float]:
    """The same of the Trainer."""
    values, task = params.train, task_of(params.task)
    base = find_base(params.pretrain).folder
    tokenizer = tokenizer_of(base)
    reader = task.open_reader(tokenizer, task.settings())
    splits = {
        split: [
            {"input_ids": list(item.rows[0].ids), "labels": int(item.expected)}
            for item in task.items(reader, list(read_split(prepared / "validate", split)))
        ]
        for split in SPLITS
    }
    torch.set_num_threads(values.threads)
    torch.manual_seed(params.seed)
    labels = params.task.labels  # type: ignore[attr-defined]
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels))
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        seed=params.seed,
        num_train_epochs=values.epochs,
        per_device_train_batch_size=values.batch_size,
        per_device_eval_batch_size=64,
        learning_rate=values.learning_rate,
        weight_decay=values.weight_decay,
        warmup_steps=values.warmup,
        max_grad_norm=values.max_gradient_norm,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda said: {"accuracy": float(np.mean(said.predictions.argmax(-1) == said.label_ids))},
    )
    trainer.remove_callback(PrinterCallback)
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    return trainer.evaluate(splits["test"])["eval_accuracy"], seconds


WAYS = {"ours": ours, "Trainer": by_trainer}


def run(asked: tuple[str, int, Path, argparse.Namespace]) -> dict[str, Any]:
    """One training, in this process."""
    way, seed, prepared, options = asked
    transformers_logging.set_verbosity_error()
    folder = prepared / f"{way}.{seed}"
    threads = {"train.threads": 1} if options.processes > 1 else {}
    params = params_with(options.params, LOOSE | SECTION | threads | {"seed": seed}, folder)
    accuracy, seconds = WAYS[way](prepared, params, folder)
    found = {"way": way, "seed": seed, "accuracy": accuracy, "seconds": round(seconds, 1)}
    print(json.dumps(found), flush=True)
    return found


def compare(found: Sequence[dict[str, Any]]) -> Comparison:
    """The mean accuracies, and by how much ours is lower."""
    means = {way: statistics.mean(one["accuracy"] for one in found if one["way"] == way) for way in WAYS}
    seeds = len({one["seed"] for one in found})
    lower = means["Trainer"] - means["ours"]
    what = f"test accuracy, mean of {seeds} seeds: how much lower"
    return Comparison("T6", what, "Trainer", "accuracy", means["ours"], means["Trainer"], lower, 0.005, "less")


def main() -> None:
    """Train, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[13, 14, 15])
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        prepare(options, Path(scratch))
        jobs = [(way, seed, Path(scratch), options) for seed in options.seeds for way in WAYS]
        with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
            found = pool.map(run, jobs, chunksize=1)
        rows = {split: len(list(read_split(Path(scratch) / "validate", split))) for split in SPLITS}
    publish("quality", [compare(found)], runs=found, rows=rows)


if __name__ == "__main__":
    main()
