"""Export the model, quantise it to int8, and refuse what is not the same model any more.

in    validated/*.parquet            one Example per row
      model/model/                   Transformers layout
      evaluated/predictions.parquet  what the float model said
      distilled/                     the student and what it said, in the place of both, if distill made one
out   model.onnx, or model/          the quantised model, as its quantizer makes it
      predictions.parquet            the same columns, of the quantised model
      extras/                        what an answer needs beside the model, such as an index; often nothing
      report.md                      each check: observed, limit, passed or refused
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from serving.ordered import ordered_map
from serving.reading import Fed, Reader
from serving.runtime import Runtime, usable_cores
from stages.quantize.checks import check_count, check_difference, report
from stages.quantize.latency import latencies
from stages.quantizers import Quantized, Quantizer, Trained
from stages.shared import plugins
from stages.shared.answering import decode, read_settings, run_of, write_extras
from stages.shared.answers import Answers, by_example, write_answers
from stages.shared.checks import Check, refuse_failed
from stages.shared.examples import Example, read_split
from stages.shared.final import final_answers, final_model
from stages.shared.held_out import Splits, answers_of, figures_of
from stages.shared.items import Item, Output
from stages.shared.models import load_model
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import SPLITS, Params
from stages.shared.parity import compare, parity_checks
from stages.shared.resources import peak_memory
from stages.tasks import Task, asked_of, task_of

__all__ = ["quantize"]

Settings = dict[str, Any]
AT_A_TIME = 64  # rows handed to the threads ahead of time; the answers do not depend on it


def _reads_alike(one: Sequence[Fed], other: Sequence[Fed]) -> bool:
    """Whether a model is fed with the very same numbers."""
    pairs = [(first.feed(), second.feed()) for first, second in zip(one, other, strict=False)]
    same = all(a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a) for a, b in pairs)
    return len(one) == len(other) and same


def check_reading(runtime: Runtime, examples: Sequence[Example], items: Sequence[Item], task: Task) -> Check:
    """Whether production reads every example as training did."""
    trained: list[list[Fed]] = [[] for _ in examples]
    for item in items:
        rows, asked = trained[item.example], item.rows[0]
        rows += [] if rows and rows[-1] is asked else [asked]  # the pieces of one text are asked once
    same = sum(
        _reads_alike(runtime.read(asked_of(task, example))[0].windows, rows)
        for example, rows in zip(examples, trained, strict=True)
    )
    return Check.at_least("examples that are read as in training", same / len(examples), 1.0)


def outputs_by(runtime: Runtime, items: Sequence[Item], task: Task) -> list[Output]:
    """What the quantised model gives for each item, each row by itself, as in production."""
    return list(ordered_map(lambda item: task.answered(runtime, item), items, usable_cores(), AT_A_TIME))


def answer_all(
    runtime: Runtime, task: Task, splits: Splits, reader: Reader, settings: Settings
) -> tuple[Answers, Check, Settings]:
    """What the quantised model says of each test example, whether it read them rightly, what the task gathered."""
    test, rows = splits["test"], [row for split in SPLITS for row in splits[split]]
    gathered = task.gather(rows, run_of(reader, lambda some: outputs_by(runtime, some, task)))
    items = task.items(reader, test)
    outputs = outputs_by(runtime, items, task)
    predictions = decode(task, test, items, outputs, settings | gathered, reader)
    ids, expected = [row["id"] for row in test], [task.answer(row) for row in test]
    answers = Answers(ids, expected, predictions, by_example(outputs, items))
    return answers, check_reading(runtime, test, items, task), gathered


def make_small(task: Task, folder: Path, scratch: Path, out: Path, params: Params) -> Quantized:
    """Run the quantizer in `scratch`, where the float model stays, and move the quantised one into `out`."""
    quantizer = cast(Quantizer, plugins.load("quantizers", params.quantize.method.name))
    model = load_model(task, folder, params.task, len(task.open_tokenizer(folder)))
    found = quantizer.quantize(Trained(model, folder, read_settings(folder)), scratch, params.quantize.method)
    shutil.move(scratch / found.small, out / found.small)
    return found


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def quantize(validated: Path, model: Path, evaluated: Path, distilled: Path, out: Path, params: Params) -> Outcome:
    """Quantise the model and compare it with the float one on the test split.

    Raises:
        Refused: a check is past its limit; the report is written all the same. MachineError: it cannot be exported.
    """
    started = time.perf_counter()
    task = task_of(params.task)
    splits: Splits = {split: list(read_split(validated, split)) for split in SPLITS}
    test, folder = splits["test"], final_model(model, distilled)
    before = answers_of(final_answers(evaluated, distilled), test)
    plugins.load("quantizers", params.quantize.method.name).check(task)
    settings = read_settings(folder)
    reader = task.open_reader(task.open_tokenizer(folder), settings)
    task = task.read_by(reader)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        found = make_small(task, folder, Path(scratch), out, params)
        files = {"float": Path(scratch) / found.large, "int8": out / found.small}
        runtimes = {name: Runtime(file, folder / "tokenizer.json", settings) for name, file in files.items()}
        timings = latencies(runtimes, [asked_of(task, row) for row in test[: params.quantize.latency_texts]])
        ratio = size_of(files["int8"]) / size_of(files["float"])
    after, tokens, gathered = answer_all(runtimes["int8"], task, splits, reader, settings)
    parity = compare(before, after, test, task)
    checks = [
        *(check_count(count) for count in found.counts),
        check_difference(found, params.quantize.limits.max_logit_difference),
        tokens,
        *parity_checks(parity, task.primary, params.quantize.limits, "float model"),
    ]
    sizes = {"bytes": float(size_of(files["int8"])), "size_ratio": ratio}
    metrics = figures_of(after, test, task, params) | parity.metrics() | sizes
    write_answers(out / "predictions.parquet", after)
    write_extras(out, gathered)
    (out / "report.md").write_text(report(checks, metrics), encoding="utf-8")
    refuse_failed(
        checks,
        "the quantised model is not the float model any more",
        "Try quantize.method.per_channel: true, more training data, or other quantize.limits in params.yaml.",
    )
    timings |= {"seconds": time.perf_counter() - started, "peak_memory_megabytes": peak_memory() / 1e6}
    return Outcome(summary=summary(metrics, task.primary), metrics=metrics, timings=timings)


def summary(metrics: Metrics, primary: str) -> str:
    """One line for the user."""
    return (
        f"{metrics['bytes'] / 1e6:.1f} MB, {metrics['size_ratio']:.2f} of the float model; test {primary} "
        f"{metrics[f'test.{primary}']:.4f} ({metrics['primary_change']:+.4f}), same answer as the float model for "
        f"{metrics['agreement']:.1%} of the examples"
    )
