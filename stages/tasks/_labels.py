"""One label for an example of one or more texts: what its tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from datasets import Value

from serving.reading import Window
from stages.shared.csv_files import write_csv
from stages.shared.errors import quoted
from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.shared.outcome import Metrics
from stages.shared.plugins import nearest
from stages.tasks import Batch, Prediction
from stages.tasks._plain import PlainTexts

if TYPE_CHECKING:
    import torch

    from stages.shared.choices import Choices

_AVERAGES = ("macro", "weighted")


@dataclass(frozen=True)
class LabelledTexts(PlainTexts):
    """A task that answers with labels out of a fixed set.

    Attributes:
        name: of the task.
        labels: in the order of the model's outputs.
        reading: how texts are read, as `serving.reading.Reader` wants to know it.
        texts: the columns that hold the texts.
    """

    name: str
    labels: list[str]
    reading: dict[str, Any]
    texts: tuple[str, ...] = ("text",)
    head: Literal["sequence", "compared", "picture"] = "sequence"
    primary: str = "macro_f1"

    @property
    def answers_are_texts(self) -> bool:
        """They are labels."""
        return False

    @property
    def outputs(self) -> list[str]:
        """The labels."""
        return self.labels

    @property
    def declared(self) -> list[str]:
        """The labels."""
        return self.labels

    def unknown_label(self, label: str) -> str:
        """That a label is none of those that there are, with the nearest of them."""
        return f"label {quoted(label)} is not in task.labels [{', '.join(self.labels)}].{nearest(label, self.labels)}"


@dataclass(frozen=True)
class SingleLabel(LabelledTexts):
    """A task of one label for each example."""

    @property
    def scored(self) -> list[str]:
        """The labels that the averages are over."""
        return self.labels

    @property
    def columns(self) -> dict[str, Any]:
        """The texts and the label."""
        return {**{name: Value("string") for name in self.texts}, "label": Value("string")}

    def answer(self, example: Example) -> str:
        """The label."""
        return str(example["label"])

    def classes(self, example: Example) -> list[str]:
        """The label."""
        return [str(example["label"])]

    def stratum(self, example: Example) -> str:
        """The label."""
        return str(example["label"])

    def fault(self, example: Example) -> str | None:
        """Why the label cannot be used, with the nearest known one, else None."""
        label = example["label"]
        if label in self.labels:
            return None
        if not label:
            return "no label"
        return self.unknown_label(label)

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """The label's index, for each window."""
        return [self.labels.index(example["label"])] * len(windows)

    def class_weights(self, examples: Sequence[Example]) -> torch.Tensor | None:
        """Balanced weights, shape (classes,): rows / (classes x rows of the class); 0 for a class without rows."""
        import torch

        labels = [example["label"] for example in examples]
        rows = torch.tensor([labels.count(label) for label in self.labels], dtype=torch.float32)
        return torch.where(rows > 0, len(labels) / (len(self.labels) * rows.clamp(min=1)), 0.0)

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of a batch, a scalar in nats, each example times the weight of its class."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, batch["expected"], weight=weights, reduction="sum")

    @property
    def averaged(self) -> Literal["softmax", "sigmoid"] | None:
        """Of the labels."""
        return "softmax"

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The label of each row of a batch, with the weight of its class."""
        from stages.shared.choices import Choices

        expected = batch["expected"]
        return Choices(logits, expected, None if weights is None else weights[expected])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The examples of a batch, or the sum of their class weights, a scalar."""
        expected = batch["expected"]
        return expected.new_tensor(len(expected)) if weights is None else weights[expected].sum()

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task."""
        return {
            "task": self.name,
            "answers": "label",
            "inputs": list(self.asked),
            "labels": self.labels,
            **self.reading,
        }

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Accuracy, and macro and weighted precision, recall and F1: fractions; 0 where 0 is divided by 0."""
        from sklearn.metrics import accuracy_score, precision_recall_fscore_support

        expected, answers = self._both(examples, predicted)
        found = {"accuracy": float(accuracy_score(expected, answers))}
        for average in _AVERAGES:
            scores = precision_recall_fscore_support(
                expected, answers, labels=self.scored, average=average, zero_division=0
            )
            found |= {f"{average}_{name}": float(scores[i]) for i, name in enumerate(("precision", "recall", "f1"))}
        return found

    def class_scores(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """The F1 of each label."""
        from sklearn.metrics import f1_score

        expected, answers = self._both(examples, predicted)
        scores = f1_score(expected, answers, labels=self.scored, average=None, zero_division=0)
        return {label: float(score) for label, score in zip(self.scored, scores, strict=True)}

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """1 when the label is right, else 0."""
        return float(example["label"] == prediction["answer"])

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """Accuracy, macro, weighted and per-label F1 of each model in resamples of the rows, the same for all."""
        from stages.shared.bootstrap import resampled_scores

        answers = [self._indices([prediction["answer"] for prediction in predicted]) for predicted in models]
        expected = self._indices([example["label"] for example in examples])
        return resampled_scores(expected, answers, self.labels, samples, seed)

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What TF-IDF with logistic regression answers on the test rows, and the setting that validation chose."""
        from stages.shared.linear_baseline import fit_baseline

        texts = {split: ["\n".join(self.shown(row)[0]) for row in rows] for split, rows in splits.items()}
        labels = {split: [row["label"] for row in rows] for split, rows in splits.items()}
        train, validation = ((texts[split], labels[split]) for split in ("train", "validation"))
        fitted = fit_baseline(train, validation, seed)
        return fitted.predict(texts["test"]), str(fitted.setting)

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write the confusion matrix as plots/confusion.csv and a picture; give it and the labels' scores."""
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        from stages.shared.confusion import confusion_table, draw_confusion

        expected, answers = self._both(examples, predicted)
        write_csv(out / "plots/confusion.csv", ("expected", "predicted"), zip(expected, answers, strict=True))
        matrix = confusion_matrix(expected, answers, labels=self.labels)
        draw_confusion(matrix, self.labels, out / "pictures/confusion.png")
        columns = precision_recall_fscore_support(expected, answers, labels=self.labels, zero_division=0)
        rows = list(zip(self.labels, *(column.tolist() for column in columns), strict=True))
        header = ("label", "precision", "recall", "f1", "support")
        write_csv(out / "labels.csv", header, rows)
        return f"## Labels\n\n{table(header, rows)}\n## Confusion\n\n{confusion_table(matrix, self.labels)}"

    def _both(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> tuple[list[str], list[str]]:
        return [example["label"] for example in examples], [prediction["answer"] for prediction in predicted]

    def _indices(self, answers: Sequence[str]) -> np.ndarray:
        index = {label: position for position, label in enumerate(self.labels)}
        return np.array([index[answer] for answer in answers], dtype=np.intp)
