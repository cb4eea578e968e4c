"""What a saved model makes of the test split: its answers, and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accelerate import PartialState

from stages.shared.answering import decode, read_settings, run_of
from stages.shared.answers import Answers, by_example, read_answers
from stages.shared.bootstrap import interval
from stages.shared.errors import DataError
from stages.shared.examples import Example
from stages.shared.models import load_model
from stages.shared.outcome import Metrics
from stages.shared.params import SPLITS, Params
from stages.shared.predict import Batching, ask, predict

if TYPE_CHECKING:
    from stages.tasks import Task

Splits = dict[str, list[Example]]


def answer_all(
    task: Task, folder: Path, splits: Splits, params: Params
) -> tuple[Answers, dict[str, Sequence[Example]]]:
    """What the model in `folder` says of each test example; and the examples as the classical method counts them."""
    test = splits["test"]
    tokenizer = task.open_tokenizer(folder)
    model = load_model(task, folder, params.task, len(tokenizer)).to(PartialState().device)
    settings = read_settings(folder)
    reader = task.open_reader(tokenizer, settings)
    way = Batching(params.evaluate.batch_size, tokenizer.pad_token_id or 0, "answer")
    items = task.items(reader, test)
    outputs = ask(task, model, items, way, settings)
    rows = [row for split in SPLITS for row in splits[split]]
    settings |= task.gather(rows, run_of(reader, lambda some: predict(task, model, some, way)))
    predicted = decode(task, test, items, outputs, settings, reader)
    ids, expected = [row["id"] for row in test], [task.answer(row) for row in test]
    counted = {split: task.counted(reader, some) for split, some in splits.items()}
    return Answers(ids, expected, predicted, by_example(outputs, items)), counted


def figures_of(answers: Answers, examples: Sequence[Example], task: Task, params: Params) -> Metrics:
    """The task's metrics and the F1 of each class, with 95 % intervals, as `test.<name>`."""
    figures = task.metrics(examples, answers.predictions)
    figures |= {f"f1.{name}": value for name, value in task.class_scores(examples, answers.predictions).items()}
    samples, seed = params.evaluate.bootstrap_samples, params.seed
    (resampled,) = task.resample(examples, [answers.predictions], samples, seed)
    for name, values in resampled.items():
        figures[f"{name}_low"], figures[f"{name}_high"] = interval(values)
    return {f"test.{name}": value for name, value in figures.items()}


def answers_of(folder: Path, examples: Sequence[Example]) -> Answers:
    """What an earlier stage wrote down of the same examples. Raises DataError when they are not the same."""
    answers = read_answers(folder / "predictions.parquet")
    if answers.ids != [example["id"] for example in examples]:
        raise DataError(f"{folder}/predictions.parquet: not the rows of the test split. Run `dvc repro {folder.name}`.")
    return answers
