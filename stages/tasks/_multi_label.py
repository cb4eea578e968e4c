"""Any number of labels for a text, none included: topics, faults, themes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from datasets import List, Value

from serving.reading import Window
from stages.shared.csv_files import write_csv
from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Prediction
from stages.tasks._labels import LabelledTexts
from stages.tasks._multi_label_scores import (
    UNDECIDED,
    Marks,
    best_threshold,
    counts_of,
    label_scores,
    marks_of,
    metrics_of,
    set_scores,
)

if TYPE_CHECKING:
    import torch

    from stages.shared.choices import Choices

_HEADLINE = ("micro_f1", "macro_f1", "subset_accuracy")
_LEAST_WEIGHT, _MOST_WEIGHT = 0.1, 20.0  # of a label's rows: a label of three rows in thousands would drown the others


@dataclass(frozen=True)
class MultiLabel(LabelledTexts):
    """A task of any number of labels for each example."""

    @property
    def columns(self) -> dict[str, Any]:
        """The texts and the list of labels."""
        return {**{name: Value("string") for name in self.texts}, "label": List(Value("string"))}

    def answer(self, example: Example) -> str:
        """The labels in the order of the parameters, joined by `|`; unknown ones at the end, for the reader."""
        given = set(self.classes(example))
        return "|".join([*(label for label in self.labels if label in given), *sorted(given - set(self.labels))])

    def classes(self, example: Example) -> list[str]:
        """The labels."""
        return [str(label) for label in example["label"] or []]

    def stratum(self, example: Example) -> str:
        """The first of its labels in the order of the parameters, or nothing."""
        given = self.classes(example)
        return next((label for label in self.labels if label in given), "")

    def fault(self, example: Example) -> str | None:
        """Why the labels cannot be used, with the nearest known one, else None. No label at all is an answer."""
        if example["label"] is None:
            return "no list of labels; for none of them it is the empty list []"
        given = self.classes(example)
        unknown = [label for label in given if label not in self.labels]
        if unknown:
            return self.unknown_label(unknown[0])
        twice = next((label for label in given if given.count(label) > 1), None)
        return None if twice is None else f"label '{twice}' is given more than once"

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """1 for each label that it has, else 0, float32 of shape (labels,), for each window."""
        return [self._marks([example])[0].astype(np.float32)] * len(windows)

    def class_weights(self, examples: Sequence[Example]) -> torch.Tensor | None:
        """What a row with the label weighs, shape (labels,): rows without it / rows with it, within [0.1, 20]."""
        import torch

        having = torch.from_numpy(self._marks(examples).sum(axis=0))
        weights = (len(examples) - having) / having.clamp(min=1)
        return weights.float().clamp(_LEAST_WEIGHT, _MOST_WEIGHT)

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed binary cross entropy of a batch, a scalar in nats: of each example the mean over the labels."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        expected = batch["expected"].to(logits.dtype)
        summed = binary_cross_entropy_with_logits(logits, expected, pos_weight=weights, reduction="sum")
        return summed / len(self.labels)

    @property
    def averaged(self) -> Literal["softmax", "sigmoid"] | None:
        """Of each label."""
        return "sigmoid"

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """No or yes for each label of each row, which weighs more where the label is there."""
        import torch

        from stages.shared.choices import Choices

        said = torch.stack([torch.zeros_like(logits), logits], dim=-1).flatten(0, 1)
        there = batch["expected"].flatten().long()
        if weights is None:
            return Choices(said, there)
        having = weights.to(logits.dtype).repeat(len(logits))
        return Choices(said, there, torch.where(there == 1, having, torch.ones_like(having)))

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The examples of a batch, a scalar."""
        return batch["expected"].new_tensor(len(batch["expected"]))

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task: from 0.5 on a label is given, until `tune` knows better."""
        return {
            "task": self.name,
            "answers": "labels",
            "inputs": list(self.texts),
            "labels": self.labels,
            "thresholds": dict.fromkeys(self.labels, UNDECIDED),
            **self.reading,
        }

    def tune(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> dict[str, Any]:
        """The threshold of each label that is best for its F1."""
        expected = self._marks(examples)
        scores = [[prediction["said"]["scores"][label] for label in self.labels] for prediction in predicted]
        columns = zip(self.labels, np.array(scores).T, expected.T, strict=True)
        return {"thresholds": {label: best_threshold(scores, given) for label, scores, given in columns}}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Micro and macro precision, recall and F1, subset accuracy, Hamming loss: fractions in [0, 1]."""
        return metrics_of(self._marks(examples), self._answered(predicted))

    def class_scores(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """The F1 of each label."""
        scores = label_scores(counts_of(self._marks(examples), self._answered(predicted)).sum(axis=0))
        return dict(zip(self.labels, scores.f1.tolist(), strict=True))

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """How much the labels overlap: those in both / those in either (Jaccard); 1 when there are none."""
        expected, answered = set(self.classes(example)), set(prediction["said"]["labels"])
        return len(expected & answered) / len(expected | answered) if expected | answered else 1.0

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """Micro, macro and per-label F1 and subset accuracy of each model in resamples that are the same for all."""
        from stages.shared.bootstrap import resampled_sums

        expected = self._marks(examples)
        found = []
        for predicted in models:
            sums = resampled_sums(counts_of(expected, self._answered(predicted)), samples, seed)
            scores, f1 = set_scores(sums, len(examples)), label_scores(sums).f1
            labels = {f"f1.{label}": f1[:, column] for column, label in enumerate(self.labels)}
            found.append({name: scores[name] for name in _HEADLINE} | labels)
        return found

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What TF-IDF with a logistic regression for each label answers on the test rows, and its setting."""
        from stages.tasks._multi_label_baseline import fit_labels

        texts = {split: ["\n".join(self.shown(row)[0]) for row in rows] for split, rows in splits.items()}
        train, validation = ((texts[split], self._marks(splits[split])) for split in ("train", "validation"))
        fitted = fit_labels(train, validation, self.labels, seed)
        return fitted.predict(texts["test"]), str(fitted.setting)

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write the figures of each label as labels.csv; give them as Markdown."""
        expected, answered = self._marks(examples), self._answered(predicted)
        scores = label_scores(counts_of(expected, answered).sum(axis=0))
        figures = (scores.precision, scores.recall, scores.f1)
        counts = (scores.support.astype(int), answered.sum(axis=0))
        rows = list(zip(self.labels, *(column.tolist() for column in (*figures, *counts)), strict=True))
        header = ("label", "precision", "recall", "f1", "support", "answered")
        write_csv(out / "labels.csv", header, rows)
        return f"## Labels\n\n{table(header, rows)}"

    def _marks(self, examples: Sequence[Example]) -> Marks:
        return marks_of([self.classes(example) for example in examples], self.labels)

    def _answered(self, predicted: Sequence[Prediction]) -> Marks:
        return marks_of([prediction["said"]["labels"] for prediction in predicted], self.labels)
