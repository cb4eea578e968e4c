"""Prediction speed of the int8 bundle, each text by itself in threads, against the float model in torch.

The same texts in one run, interleaved; medians. Needs the outputs of `make run`.

    python -m benchmarks.prediction [--texts 600] [--rounds 5]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import flows  # noqa: F401  telemetry off
from benchmarks.training import read_examples
from serving.bundle import load_bundle
from serving.runtime import Runtime
from stages.shared.base_model import tokenizer_of
from stages.shared.items import items_of, reader_of
from stages.shared.models import load_model
from stages.shared.params import load_params
from stages.shared.predict import Batching, predict
from stages.tasks import task_of

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    folder = ROOT / "data/package/bundle"
    if not folder.is_dir():
        sys.exit("no data/package/bundle: `make run` makes it")
    params = load_params(ROOT / "params.yaml")
    torch.set_num_threads(params.train.threads)
    trained = ROOT / "data/train/model"
    tokenizer, task = tokenizer_of(trained), task_of(params.task)
    model = load_model(task, trained, params.task, len(tokenizer))
    rows = read_examples(asked.texts)
    bundle = load_bundle(folder)
    runtime = Runtime(bundle.model, bundle.tokenizer, bundle.settings)
    reader = reader_of(tokenizer, bundle.settings)

    def in_torch(batches_of: int) -> None:
        predict(task, model, items_of(task, reader, rows), Batching(batches_of, tokenizer.pad_token_id, "torch"))

    def by_bundle() -> None:
        windows = (window for row in rows for window in runtime.read((row["text"],))[0].windows)
        for _ in runtime.run_all(windows, 64):
            pass

    ways: dict[str, Callable[[], object]] = {
        "torch float, one text at a time": lambda: in_torch(1),
        "torch float, sorted batches of 64": lambda: in_torch(64),
        "int8 bundle, each text by itself": by_bundle,
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            speeds[name].append(len(rows) / (time.perf_counter() - started))
    first = statistics.median(speeds["torch float, one text at a time"])
    for name, values in speeds.items():
        speed = statistics.median(values)
        print(f"{name:<40}{speed:8.1f} texts/s{speed / first:8.2f} x")


if __name__ == "__main__":
    main()
