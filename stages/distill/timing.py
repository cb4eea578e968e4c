"""How fast teacher and student answer, side by side."""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.shared.answering import read_settings
from stages.shared.examples import Example
from stages.shared.models import load_model
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.shared.predict import Batching, predict
from stages.tasks import Task

ROUNDS = 3
TIMED = 1000  # examples, at most


def texts_per_second(task: Task, folders: Mapping[str, Path], examples: Sequence[Example], params: Params) -> Metrics:
    """Examples a second of each saved model in torch, in sorted batches; they take turns, medians of 3 rounds."""
    some = list(examples[:TIMED])
    seconds: dict[str, list[float]] = {name: [] for name in folders}
    for _ in range(ROUNDS):
        for name, folder in folders.items():
            tokenizer = task.open_tokenizer(folder)
            reader = task.open_reader(tokenizer, read_settings(folder))
            model = load_model(task, folder, params.task, len(tokenizer))
            items, own = task.items(reader, some), task.read_by(reader)
            way = Batching(params.evaluate.batch_size, tokenizer.pad_token_id or 0, "time")
            started = time.perf_counter()
            predict(own, model, items, way)
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    figures = {f"{name}_per_second": len(some) / value for name, value in medians.items()}
    return figures | {"speed_ratio": medians["trained"] / medians["student"]}
