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
from stages.shared.params import load_params
from stages.shared.predict import predict
from stages.tasks import classification

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
    tokenizer, model = tokenizer_of(trained), classification.load_model(trained, params.task)
    rows = read_examples(asked.texts)
    texts = [(row["text"],) for row in rows]
    bundle = load_bundle(folder)
    runtime = Runtime(bundle.model, bundle.tokenizer, bundle.settings["max_tokens"])

    def in_torch(batches_of: int) -> None:
        encoded = classification.encode(tokenizer, rows, params.task)
        predict(model, encoded, lambda part: classification.collate(part, tokenizer), batches_of, "torch")

    ways: dict[str, Callable[[], object]] = {
        "torch float, one text at a time": lambda: in_torch(1),
        "torch float, sorted batches of 64": lambda: in_torch(64),
        "int8 bundle, each text by itself": lambda: list(runtime.run_all(texts, 64)),
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
