"""The ladder: what simpler models make of the same test split, the cheapest first, and what each costs.

Times are no part of the output: the report has quality and size, and what is shown in MLflow has the times as well.
"""

from __future__ import annotations

import io
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stages.shared.answering import read_settings
from stages.shared.base_model import base_of
from stages.shared.bootstrap import interval
from stages.shared.errors import ParamsError
from stages.shared.examples import Example
from stages.shared.held_out import Splits
from stages.shared.linear_baseline import Baseline, fit_baseline
from stages.shared.markdown import table
from stages.shared.model_files import WEIGHTS
from stages.shared.models import load_model
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.shared.predict import Batching, predict
from stages.shared.probe import Embedder, fit_best_probe, is_probed
from stages.shared.workspace import read_timings
from stages.tasks import Prediction, Task

TIMED = 100  # test rows that are answered one by one
Answer = Callable[[Sequence[Example]], list[str]]


@dataclass(frozen=True)
class Rung:
    """One model on the ladder.

    Attributes:
        name: what it is.
        predictions: for the test rows; of each its "answer".
        train_seconds: that fitting it took on this machine; None where that is not known.
        milliseconds: to answer one text, the median.
        megabytes: of its parameters, as they would be stored.
    """

    name: str
    predictions: Sequence[Prediction]
    train_seconds: float | None
    milliseconds: float
    megabytes: float


def check_ladder(task: Task, params: Params) -> None:
    """Raise ParamsError where a ladder is asked for and the task has none."""
    if params.evaluate.ladder and not is_probed(task):
        raise ParamsError(
            f"evaluate.ladder: true: it is for tasks of one label on a text, and '{params.task.name}' is another. "
            f"Set it to false; the report has the classical baseline anyway."
        )


def _timed(answer: Answer, test: Sequence[Example]) -> float:
    """The median of the milliseconds in which one row is answered."""
    taken = []
    for row in test[:TIMED]:
        started = time.perf_counter()
        answer([row])
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def _rung(name: str, seconds: float | None, answer: Answer, test: Sequence[Example], megabytes: float) -> Rung:
    predictions = [{"answer": word} for word in answer(test)]
    return Rung(name, predictions, seconds, _timed(answer, test), megabytes)


def _size_of(fitted: Baseline) -> float:
    """The megabytes of the terms and of their weights."""
    size: float = (fitted.features.bytes_of(fitted.setting.view) + fitted.classifier.coef_.nbytes) / 1e6
    return size


class Ladder:
    """The rungs of a task on its splits.

    Args:
        task: as the trained model reads it.
        model: the output of train.
    """

    def __init__(self, task: Task, splits: Splits, model: Path, params: Params) -> None:
        self.task, self.splits, self.model, self.params = task, splits, model, params
        self.labels = {split: [task.answer(row) for row in rows] for split, rows in splits.items()}

    def rungs(self, said: Sequence[Prediction]) -> list[Rung]:
        """All of them, the cheapest first; `said` is what the trained model says."""
        return [self.majority(), self.words(), *self.embeddings(), self.trained(said)]

    def majority(self) -> Rung:
        """The most frequent label of train."""
        ((label, _),) = Counter(self.labels["train"]).most_common(1)
        return _rung("majority", 0.0, lambda rows: [label] * len(rows), self.splits["test"], 0.0)

    def words(self) -> Rung:
        """TF-IDF with logistic regression."""

        def texts(rows: Sequence[Example]) -> list[str]:
            return ["\n".join(self.task.shown(row)[0]) for row in rows]

        started = time.perf_counter()
        pairs = [(texts(self.splits[split]), self.labels[split]) for split in ("train", "validation")]
        fitted = fit_baseline(pairs[0], pairs[1], self.params.seed)
        seconds = time.perf_counter() - started

        def answer(rows: Sequence[Example]) -> list[str]:
            return [str(one["answer"]) for one in fitted.predict(texts(rows))]

        return _rung("TF-IDF, logistic regression", seconds, answer, self.splits["test"], _size_of(fitted))

    def embeddings(self) -> list[Rung]:
        """Zero-shot by the labels' names, where a text stands alone, and logistic regression; none without a base."""
        base = base_of(self.params)
        if base is None:
            return []
        embedder, test = Embedder(self.task, base.folder), self.splits["test"]
        size = (base.folder / WEIGHTS).stat().st_size / 1e6
        found = []
        if len(self.task.texts) == 1:
            names = self.task.settings()["labels"]
            vectors = embedder.of_texts([name.replace("_", " ") for name in names], "ladder: labels")

            def nearest(rows: Sequence[Example]) -> list[str]:
                return [names[place] for place in (embedder.of(rows, "ladder") @ vectors.T).argmax(axis=1)]

            found.append(_rung("zero-shot, by the labels' names", 0.0, nearest, test, size))
        started = time.perf_counter()
        pairs = [(embedder.of(self.splits[s], "ladder"), self.labels[s]) for s in ("train", "validation")]
        probe, strength = fit_best_probe(pairs[0], pairs[1])
        seconds = time.perf_counter() - started

        def answer(rows: Sequence[Example]) -> list[str]:
            return [str(word) for word in probe.predict(embedder.of(rows, "ladder"))]

        name = f"embeddings, logistic regression, C = {strength:g}"
        return [*found, _rung(name, seconds, answer, test, size + probe.coef_.nbytes / 1e6)]

    def trained(self, said: Sequence[Prediction]) -> Rung:
        """The trained model."""
        folder = self.model / "model"
        tokenizer: Any = self.task.open_tokenizer(folder)
        model = load_model(self.task, folder, self.params.task, len(tokenizer))
        reader = self.task.open_reader(tokenizer, read_settings(folder))
        way = Batching(1, tokenizer.pad_token_id or 0, "ladder")

        def answer(rows: Sequence[Example]) -> list[str]:
            predict(self.task, model, self.task.items(reader, rows), way)
            return []

        seconds = read_timings("train", self.model).get("seconds")
        size = sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e6
        return Rung(self.params.train.method.name, said, seconds, _timed(answer, self.splits["test"]), size)


Quality = tuple[float, float, float]  # the primary figure, and its 95 % interval


def qualities(task: Task, test: Sequence[Example], rungs: Sequence[Rung], params: Params) -> list[Quality]:
    """The primary figure of each rung with its interval, from resamples that all share."""
    answers = [rung.predictions for rung in rungs]
    resampled = task.resample(test, answers, params.evaluate.bootstrap_samples, params.seed)
    figures = [task.metrics(test, predicted)[task.primary] for predicted in answers]
    return [(value, *interval(drawn[task.primary])) for value, drawn in zip(figures, resampled, strict=True)]


def ladder_table(task: Task, rungs: Sequence[Rung], found: Sequence[Quality], with_times: bool) -> str:
    """The rungs in Markdown: quality and megabytes, and, if wanted, seconds of training and milliseconds an answer."""
    header = ["model", task.primary, *(["training, s", "one answer, ms"] if with_times else []), "MB"]
    rows = []
    for rung, (value, low, high) in zip(rungs, found, strict=True):
        seconds = "unknown" if rung.train_seconds is None else f"{rung.train_seconds:.1f}"
        times = [seconds, f"{rung.milliseconds:.2f}"] if with_times else []
        rows.append([rung.name, f"{value:.4f} ({low:.4f} to {high:.4f})", *times, f"{rung.megabytes:.1f}"])
    return table(header, rows)


def draw_ladder(task: Task, rungs: Sequence[Rung], found: Sequence[Quality]) -> bytes:
    """The quality of the rungs with their intervals, as a PNG."""
    figure = Figure(figsize=(7, 0.6 * len(rungs) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places, values = np.arange(len(rungs)), np.array([value for value, _, _ in found])
    spread = np.array([[value - low, high - value] for value, low, high in found]).T.clip(min=0)
    axes.barh(places, values, xerr=spread, color="#4878a8", ecolor="#333333", capsize=3)
    axes.set(yticks=places, yticklabels=[rung.name for rung in rungs], xlabel=task.primary, title="The ladder")
    axes.invert_yaxis()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=120, format="png", metadata={"Software": None})
    return drawn.getvalue()


def children_of(task: Task, rungs: Sequence[Rung], found: Sequence[Quality]) -> dict[str, Metrics]:
    """The figures of each rung, times too, for a run of its own."""
    children: dict[str, Metrics] = {}
    for rung, (value, low, high) in zip(rungs, found, strict=True):
        figures = {f"test.{task.primary}": value, f"test.{task.primary}_low": low, f"test.{task.primary}_high": high}
        figures |= {"milliseconds": rung.milliseconds, "megabytes": rung.megabytes}
        figures |= {} if rung.train_seconds is None else {"train_seconds": rung.train_seconds}
        children[f"ladder: {rung.name}"] = figures
    return children
