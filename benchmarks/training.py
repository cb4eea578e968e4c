"""Training speed by how batches are made: similar lengths, against random order, padded to the longest or to the limit.

The same texts, model and update in one run, interleaved; medians. Prints examples per second and the ratio to the last.

    python -m benchmarks.training [--texts 256] [--rounds 3]
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator

import flows  # noqa: F401  telemetry off
from stages.shared.base_model import find_base, tokenizer_of
from stages.shared.batches import shuffled_batches
from stages.shared.fitting import Learner, add_gradients
from stages.shared.fitting.optimizer import make_optimizer, set_learning_rate
from stages.shared.items import collate, items_of, reader_of
from stages.shared.models import load_model
from stages.shared.params import Params, load_params
from stages.tasks import Batch, task_of

ROOT = Path(__file__).parents[1]
Batches = Callable[[int], list[list[int]]]


def read_examples(count: int) -> list[dict[str, str]]:
    """The first good rows of the bundled sample."""
    with (ROOT / "data/sample/reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = [{"text": row["text"], "label": row["label"]} for row in csv.DictReader(file)]
    return [row for row in rows if row["text"].strip() and row["label"] in ("positive", "neutral", "negative")][:count]


def random_batches(count: int, size: int) -> Batches:
    """Batches in random order, whatever the lengths."""

    def make(seed: int) -> list[list[int]]:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
        return [order[start : start + size] for start in range(0, count, size)]

    return make


def widen(batch: Batch, width: int) -> Batch:
    """The batch padded to `width` tokens."""
    missing = width - batch["input_ids"].shape[1]
    return {
        name: torch.nn.functional.pad(tensor, (0, missing)) if tensor.dim() == 2 else tensor
        for name, tensor in batch.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    params: Params = load_params(ROOT / "params.yaml")
    torch.set_num_threads(params.train.threads)
    base = find_base(params.pretrain).folder
    tokenizer, task = tokenizer_of(base), task_of(params.task)
    model = load_model(task, base, params.task, len(tokenizer))
    items = items_of(task, reader_of(tokenizer, task.settings()), read_examples(asked.texts))
    size, limit = params.train.batch_size, params.task.max_tokens
    lengths = [item.tokens for item in items]
    ways: dict[str, tuple[Batches, int | None]] = {
        "similar lengths": (lambda seed: shuffled_batches(lengths, size, seed, 0), None),
        "random order, padded to the longest": (random_batches(len(items), size), None),
        f"random order, padded to {limit}": (random_batches(len(items), size), limit),
    }
    accelerator = Accelerator(cpu=True)
    optimizer, learner = make_optimizer(model, params.train), Learner(model, task, None)
    set_learning_rate(optimizer, 5e-5)
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(asked.rounds):
        for name, (batches, width) in ways.items():
            started = time.perf_counter()
            for batch in batches(turn):
                tensors = collate([items[i] for i in batch], tokenizer.pad_token_id)
                tensors = widen(tensors, width) if width else tensors
                model.train()
                add_gradients(learner, [tensors], accelerator.backward)
                accelerator.clip_grad_norm_(model.parameters(), params.train.max_gradient_norm)
                optimizer.step()
                optimizer.zero_grad()
            speeds[name].append(len(items) / (time.perf_counter() - started))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    slowest = medians[f"random order, padded to {limit}"]
    for name, speed in medians.items():
        print(f"{name:<40}{speed:8.1f} examples/s{speed / slowest:8.2f} x")


if __name__ == "__main__":
    main()
