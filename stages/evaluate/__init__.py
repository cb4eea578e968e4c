"""Measure the model on the test split, beside a classical baseline.

in    validated/train.parquet, validation.parquet, test.parquet   the user's own rows
      model/model/                                                Transformers layout, from train
out   predictions.parquet       id, expected, predicted, confidence, said, outputs: one row per test row, in its order
      errors.csv                worst errors, the most confident first; their texts only if `evaluate.show_texts`
      report.md, labels.csv     for a reader
      plots/, pictures/         reliability, and the task's own
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stages.evaluate.calibration import calibration_error, reliability, write_reliability
from stages.evaluate.intervals import gains, prefixed, with_intervals
from stages.evaluate.ladder import Ladder, check_ladder, children_of, draw_ladder, ladder_table, qualities
from stages.evaluate.report import report_text
from stages.evaluate.samples import samples_part
from stages.shared.answering import read_settings
from stages.shared.answers import write_answers
from stages.shared.csv_files import write_csv
from stages.shared.examples import Example, read_split
from stages.shared.fitting import make_repeatable
from stages.shared.held_out import Splits, answer_all
from stages.shared.markdown import table
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import SPLITS, Params
from stages.shared.resources import peak_memory
from stages.tasks import Prediction, Task, task_of, texts_of

__all__ = ["check_ladder", "evaluate"]


def worst_errors(
    task: Task, examples: Sequence[Example], predicted: Sequence[Prediction], params: Params
) -> tuple[list[str], list[list[object]]]:
    """Header and rows of the worst errors, the surest first; what may hold a text only if texts may be shown."""
    rightness = [task.rightness(*pair) for pair in zip(examples, predicted, strict=True)]
    wrong = [place for place, value in enumerate(rightness) if value < 1]
    wrong.sort(key=lambda place: (rightness[place], -(predicted[place]["confidence"] or 0.0)))
    columns: dict[str, Callable[[int], object]] = {
        "id": lambda place: examples[place]["id"],
        "source": lambda place: examples[place]["source"],
        "rightness": lambda place: rightness[place],
    }
    if any(prediction["confidence"] is not None for prediction in predicted):
        columns["confidence"] = lambda place: predicted[place]["confidence"]
    if params.evaluate.show_texts or not task.answers_are_texts:
        columns["expected"] = lambda place: task.answer(examples[place])
        columns["predicted"] = lambda place: predicted[place]["answer"]
    if params.evaluate.show_texts and task.texts:
        columns["text"] = lambda place: " / ".join(texts_of(task, examples[place]))
    shown = wrong[: params.evaluate.worst_errors]
    return list(columns), [[value(place) for value in columns.values()] for place in shown]


def calibration(task: Task, examples: Sequence[Example], predicted: Sequence[Prediction], out: Path) -> Metrics:
    """How often the model is right at each confidence, drawn; nothing where a prediction has none."""
    if any(prediction["confidence"] is None for prediction in predicted):
        return {}
    confidence = np.array([prediction["confidence"] for prediction in predicted])
    correct = np.array([task.rightness(*pair) == 1 for pair in zip(examples, predicted, strict=True)])
    bins = reliability(confidence, correct)
    write_reliability(bins, out)
    return {"test.calibration_error": calibration_error(bins)}


def figures_of(task: Task, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
    """The task's metrics, and the F1 of each class as `f1.<class>`."""
    return {**task.metrics(examples, predicted), **prefixed("f1", task.class_scores(examples, predicted))}


def compare(
    task: Task, examples: Sequence[Example], model: Sequence[Prediction], baseline: Sequence[Prediction], params: Params
) -> Metrics:
    """`test.*`, `baseline.*` and `gain.*`, with intervals from resamples that all three share."""
    ours, theirs = (figures_of(task, examples, predicted) for predicted in (model, baseline))
    first, second = task.resample(examples, [model, baseline], params.evaluate.bootstrap_samples, params.seed)
    return {
        **prefixed("test", with_intervals(ours, first)),
        **prefixed("baseline", with_intervals(theirs, second)),
        **prefixed("gain", gains(ours, theirs, (first, second))),
    }


def _ladder(
    task: Task, splits: Splits, model: Path, said: Sequence[Prediction], out: Path, params: Params
) -> tuple[str, dict[str, Metrics], dict[str, bytes]]:
    """The part of the report about the ladder, if one is asked for, the figures of its rungs, the page with times."""
    if not params.evaluate.ladder:
        return "", {}, {}
    rungs = Ladder(task, splits, model, params).rungs(said)
    found = qualities(task, splits["test"], rungs, params)
    picture = draw_ladder(task, rungs, found)
    (out / "pictures").mkdir(exist_ok=True)
    (out / "pictures/ladder.png").write_bytes(picture)
    plain, told = (ladder_table(task, rungs, found, with_times) for with_times in (False, True))
    part = (
        f"\n## The ladder\n\n{plain}\n![The ladder](pictures/ladder.png)\n\n"
        f"With the times of this run: `.temper/pages/evaluate/ladder.md`, and in MLflow.\n"
    )
    return part, children_of(task, rungs, found), {"ladder.md": f"# The ladder\n\n{told}".encode()}


def evaluate(validated: Path, model: Path, out: Path, params: Params) -> Outcome:
    """Measure the model and the baseline on the test split, and write predictions, errors, plots and the report."""
    started = time.perf_counter()
    task = task_of(params.task)
    check_ladder(task, params)
    if params.evaluate.ladder:
        make_repeatable(params.seed, params.train.threads)
    folder = model / "model"
    task = task.read_by(task.open_reader(task.open_tokenizer(folder), read_settings(folder)))
    splits: Splits = {split: list(read_split(validated, split)) for split in SPLITS}
    test = splits["test"]
    answers, counted = answer_all(task, folder, splits, params)
    predicted_at = time.perf_counter()
    others, baseline = task.baseline(counted, params.seed)
    baseline_at = time.perf_counter()

    metrics = compare(task, test, answers.predictions, others, params)
    metrics |= {"test.rows": len(test), **calibration(task, test, answers.predictions, out)}
    write_answers(out / "predictions.parquet", answers)
    header, errors = worst_errors(task, test, answers.predictions, params)
    write_csv(out / "errors.csv", header, errors)
    part = task.report(out, test, answers.predictions)
    names = [name.removeprefix("gain.") for name in metrics if name.startswith("gain.") and f"{name}_low" in metrics]
    part += "\n" + samples_part(task, test, answers.predictions, params.evaluate.samples, params.evaluate.show_texts)
    text = report_text(metrics, names, baseline, part, table(header, errors))
    ladder, children, pages = _ladder(task, splits, model, answers.predictions, out, params)
    text += ladder
    (out / "report.md").write_text(text, encoding="utf-8")
    timings = {
        "seconds": time.perf_counter() - started,
        "predict_seconds": predicted_at - started,
        "baseline_seconds": baseline_at - predicted_at,
        "peak_memory_megabytes": peak_memory() / 1e6,
    }
    return Outcome(_summary(metrics, task.primary), metrics, timings, children=children, pages=pages)


def _summary(metrics: Metrics, primary: str) -> str:
    return (
        f"{metrics['test.rows']:.0f} test rows: {primary} {metrics[f'test.{primary}']:.4f} "
        f"({metrics[f'test.{primary}_low']:.4f} to {metrics[f'test.{primary}_high']:.4f}); "
        f"baseline {primary} {metrics[f'baseline.{primary}']:.4f}"
    )
