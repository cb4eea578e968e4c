"""Export the model to ONNX, fuse it, quantise it to int8, and refuse what is not the same model any more.

in    validated/test.parquet         one Example per row
      model/model/                   Transformers layout
      evaluated/predictions.parquet  id, expected, predicted, confidence, logits of the float model
out   model.onnx                     the quantised model
      predictions.parquet            the same columns, of the quantised model
      report.md                      each check: observed, limit, passed or refused
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from serving.runtime import Runtime
from stages.quantize.answers import Answers, read_answers, write_answers
from stages.quantize.checks import Check, check_count, check_difference, refuse_failed, report
from stages.quantize.latency import latencies
from stages.quantize.parity import compare, parity_checks
from stages.quantizers import FLOAT_MODEL, SMALL_MODEL, Quantized, Quantizer
from stages.shared import plugins
from stages.shared.base_model import tokenizer_of
from stages.shared.bootstrap import interval
from stages.shared.errors import DataError
from stages.shared.examples import Example, read_split
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import Params
from stages.shared.resources import peak_memory
from stages.tasks import Task

__all__ = ["quantize"]

AT_A_TIME = 64  # texts handed to the threads ahead of time; the answers do not depend on it


def check_tokens(runtime: Runtime, examples: Sequence[Example], folder: Path, params: Params) -> Check:
    """Whether production makes the same tokens of every text as training did."""
    task = plugins.load("tasks", params.task.name)
    trained = task.encode(tokenizer_of(folder), examples, params.task)
    same = sum(
        runtime.encode(*task.texts(example)).ids == list(row["input_ids"])
        for example, row in zip(examples, trained, strict=True)
    )
    return Check.at_least("texts with the same tokens as in training", same / len(examples), 1.0)


def answer_all(runtime: Runtime, examples: Sequence[Example], params: Params) -> Answers:
    """What an ONNX model says of each example, each by itself, as in production."""
    task = plugins.load("tasks", params.task.name)
    texts = (task.texts(example) for example in examples)
    logits = np.stack([result.logits for result in runtime.run_all(texts, AT_A_TIME)])
    return Answers(
        ids=[example["id"] for example in examples],
        expected=[task.answer(example) for example in examples],
        predictions=task.decode(logits, params.task),
        logits=logits,
    )


def float_answers(evaluated: Path, examples: Sequence[Example]) -> Answers:
    """What the float model said of the same examples. Raises DataError when they are not the same."""
    answers = read_answers(evaluated / "predictions.parquet")
    if answers.ids != [example["id"] for example in examples]:
        raise DataError(f"{evaluated}/predictions.parquet: not the rows of the test split. Run `dvc repro evaluate`.")
    return answers


def make_small(task: Task, folder: Path, scratch: Path, out: Path, params: Params) -> Quantized:
    """Run the quantizer in `scratch`, where float.onnx stays, and move the quantised model into `out`."""
    method = params.quantize.method
    quantizer = cast(Quantizer, plugins.load("quantizers", method.name))
    model = task.load_model(folder, params.task)
    found = quantizer.quantize(model, scratch, task.bundle_settings(params.task)["max_tokens"], method)
    shutil.move(scratch / SMALL_MODEL, out / SMALL_MODEL)
    return found


def figures_of(small: Answers, task: Task, params: Params) -> Metrics:
    """The task's metrics of the quantised model, and the F1 of each class, with 95 % intervals, as `test.<name>`."""
    figures = task.metrics(small.expected, small.predictions, params.task)
    classes = task.class_scores(small.expected, small.predictions, params.task)
    figures |= {f"f1.{name}": value for name, value in classes.items()}
    samples, seed = params.evaluate.bootstrap_samples, params.seed
    (resampled,) = task.resample(small.expected, [small.predictions], params.task, samples, seed)
    for name, values in resampled.items():
        figures[f"{name}_low"], figures[f"{name}_high"] = interval(values)
    return {f"test.{name}": value for name, value in figures.items()}


def quantize(validated: Path, model: Path, evaluated: Path, out: Path, params: Params) -> Outcome:
    """Quantise the model and compare it with the float one on the test split.

    Raises:
        Refused: a check is past its limit; the report is written all the same. MachineError: it cannot be exported.
    """
    started = time.perf_counter()
    task = cast(Task, plugins.load("tasks", params.task.name))
    examples = list(read_split(validated, "test"))
    expected = float_answers(evaluated, examples)
    folder, max_tokens = model / "model", task.bundle_settings(params.task)["max_tokens"]
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        float_file = Path(scratch) / FLOAT_MODEL
        found = make_small(task, folder, float_file.parent, out, params)
        runtimes = {
            name: Runtime(file, folder / "tokenizer.json", max_tokens)
            for name, file in (("float", float_file), ("int8", out / SMALL_MODEL))
        }
        timings = latencies(runtimes, [task.texts(row) for row in examples[: params.quantize.latency_texts]])
        ratio = (out / SMALL_MODEL).stat().st_size / float_file.stat().st_size
    small = answer_all(runtimes["int8"], examples, params)
    parity = compare(expected, small, task, params.task)
    checks = [
        *(check_count(count) for count in found.counts),
        check_difference(found, params.quantize.limits.max_logit_difference),
        check_tokens(runtimes["int8"], examples, folder, params),
        *parity_checks(parity, task.PRIMARY, params.quantize.limits),
    ]
    sizes = {"bytes": float((out / SMALL_MODEL).stat().st_size), "size_ratio": ratio}
    metrics = figures_of(small, task, params) | parity.metrics() | sizes
    write_answers(out / "predictions.parquet", small)
    (out / "report.md").write_text(report(checks, metrics), encoding="utf-8")
    refuse_failed(checks)
    timings |= {"seconds": time.perf_counter() - started, "peak_memory_megabytes": peak_memory() / 1e6}
    return Outcome(summary=summary(metrics, task.PRIMARY), metrics=metrics, timings=timings)


def summary(metrics: Metrics, primary: str) -> str:
    """One line for the user."""
    return (
        f"{metrics['bytes'] / 1e6:.1f} MB, {metrics['size_ratio']:.2f} of the float model; test {primary} "
        f"{metrics[f'test.{primary}']:.4f} ({metrics['primary_change']:+.4f}), same answer as the float model for "
        f"{metrics['agreement']:.1%} of the texts"
    )
