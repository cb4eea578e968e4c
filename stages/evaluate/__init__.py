"""Measure the model on the test split, beside a classical baseline.

in    validated/train.parquet, validation.parquet, test.parquet   the user's own rows
      model/model/                                                Transformers layout, from train
out   predictions.parquet       id, expected, predicted, confidence, logits: one row per test row, in its order
      errors.csv                most confident errors; their texts only if `evaluate.show_texts`
      report.md, labels.csv     for a reader
      plots/, pictures/         confusion, reliability
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import Accelerator

from stages.evaluate.calibration import calibration_error, reliability, write_reliability
from stages.evaluate.intervals import gains, prefixed, with_intervals
from stages.evaluate.report import report_text
from stages.shared import plugins
from stages.shared.base_model import tokenizer_of
from stages.shared.csv_files import write_csv
from stages.shared.examples import Example, read_split
from stages.shared.markdown import table
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import SPLITS, Params
from stages.shared.predict import predict
from stages.shared.resources import peak_memory
from stages.tasks import Prediction, Task

__all__ = ["evaluate"]


def logits_of(task: Task, folder: Path, examples: Sequence[Example], params: Params) -> np.ndarray:
    """The logits of the model in `folder` for each example, shape (examples, classes)."""
    tokenizer = tokenizer_of(folder)
    model = task.load_model(folder, params.task).to(Accelerator().device)
    encoded = task.encode(tokenizer, examples, params.task)
    return predict(model, encoded, lambda rows: task.collate(rows, tokenizer), params.evaluate.batch_size, "evaluate")


def write_predictions(
    path: Path,
    examples: Sequence[Example],
    expected: Sequence[str],
    predicted: Sequence[Prediction],
    logits: np.ndarray,
) -> None:
    """Write id, expected, predicted, confidence and logits of each test row, in its order."""
    columns = {
        "id": pa.array([example["id"] for example in examples], pa.string()),
        "expected": pa.array(expected, pa.string()),
        "predicted": pa.array([prediction["answer"] for prediction in predicted], pa.string()),
        "confidence": pa.array([prediction["confidence"] for prediction in predicted], pa.float64()),
        "logits": pa.array(list(logits), pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def worst_errors(
    task: Task, examples: Sequence[Example], predicted: Sequence[Prediction], params: Params
) -> tuple[list[str], list[list[object]]]:
    """Header and rows of the errors that the model was surest of; the text is left out unless it may be shown."""
    header = ["id", "source", "expected", "predicted", "confidence"] + ["text"] * params.evaluate.show_texts
    wrong = [
        (example, prediction)
        for example, prediction in zip(examples, predicted, strict=True)
        if task.answer(example) != prediction["answer"]
    ]
    wrong.sort(key=lambda pair: -pair[1]["confidence"])
    return header, [
        [example["id"], example["source"], task.answer(example), prediction["answer"], prediction["confidence"]]
        + [" / ".join(task.texts(example))] * params.evaluate.show_texts
        for example, prediction in wrong[: params.evaluate.worst_errors]
    ]


def figures_of(task: Task, expected: Sequence[str], predicted: Sequence[Prediction], params: Params) -> Metrics:
    """The task's metrics, and the F1 of each class as `f1.<class>`."""
    return {
        **task.metrics(expected, predicted, params.task),
        **prefixed("f1", task.class_scores(expected, predicted, params.task)),
    }


def compare(
    task: Task, expected: Sequence[str], model: Sequence[Prediction], baseline: Sequence[Prediction], params: Params
) -> Metrics:
    """`test.*`, `baseline.*` and `gain.*`, with intervals from resamples that all three share."""
    ours, theirs = (figures_of(task, expected, predicted, params) for predicted in (model, baseline))
    samples, seed = params.evaluate.bootstrap_samples, params.seed
    first, second = task.resample(expected, [model, baseline], params.task, samples, seed)
    return {
        **prefixed("test", with_intervals(ours, first)),
        **prefixed("baseline", with_intervals(theirs, second)),
        **prefixed("gain", gains(ours, theirs, (first, second))),
    }


def evaluate(validated: Path, model: Path, out: Path, params: Params) -> Outcome:
    """Measure the model and the baseline on the test split, and write predictions, errors, plots and the report."""
    started = time.perf_counter()
    task = cast(Task, plugins.load("tasks", params.task.name))
    splits: dict[str, list[Example]] = {split: list(read_split(validated, split)) for split in SPLITS}
    test = splits["test"]
    expected = [task.answer(example) for example in test]
    logits = logits_of(task, model / "model", test, params)
    predicted = task.decode(logits, params.task)
    predicted_at = time.perf_counter()
    others, baseline = task.baseline(splits, params.task, params.seed)
    baseline_at = time.perf_counter()

    confidence = np.array([prediction["confidence"] for prediction in predicted])
    correct = np.array([answer == p["answer"] for answer, p in zip(expected, predicted, strict=True)])
    bins = reliability(confidence, correct)
    metrics = compare(task, expected, predicted, others, params)
    metrics |= {"test.rows": len(test), "test.calibration_error": calibration_error(bins)}

    write_predictions(out / "predictions.parquet", test, expected, predicted, logits)
    write_reliability(bins, out)
    header, errors = worst_errors(task, test, predicted, params)
    write_csv(out / "errors.csv", header, errors)
    part = task.report(out, expected, predicted, params.task)
    names = [name.removeprefix("gain.") for name in metrics if name.startswith("gain.") and f"{name}_low" in metrics]
    text = report_text(metrics, names, baseline, part, table(header, errors))
    (out / "report.md").write_text(text, encoding="utf-8")
    timings = {
        "seconds": time.perf_counter() - started,
        "predict_seconds": predicted_at - started,
        "baseline_seconds": baseline_at - predicted_at,
        "peak_memory_megabytes": peak_memory() / 1e6,
    }
    return Outcome(_summary(metrics, task.PRIMARY), metrics, timings)


def _summary(metrics: Metrics, primary: str) -> str:
    return (
        f"{metrics['test.rows']:.0f} test rows: {primary} {metrics[f'test.{primary}']:.4f} "
        f"({metrics[f'test.{primary}_low']:.4f} to {metrics[f'test.{primary}_high']:.4f}), "
        f"accuracy {metrics['test.accuracy']:.4f}; baseline {primary} {metrics[f'baseline.{primary}']:.4f}"
    )
