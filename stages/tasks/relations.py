"""How two marked entities of a text are related: `The <e1>pump</e1> feeds the <e2>boiler</e2>.`, one label for each.

Source: Hendrickx et al. 2010, SemEval-2010 task 8, https://aclanthology.org/S10-1006
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Prediction, Span, Task
from stages.tasks._labels import SingleLabel
from stages.tasks._marks import MARKS, mark_fault, marked_spans, marks_as_words
from stages.tasks._params import Labels, TextParams


class Params(TextParams):
    """The relations, in the order of the model's outputs, and which of them says that there is none, if any."""

    name: Literal["relations"]
    labels: Labels = Field(min_length=2)
    no_relation: str | None

    @model_validator(mode="after")
    def _no_relation_is_a_label(self) -> Self:
        if self.no_relation is not None and self.no_relation not in self.labels:
            raise ValueError(f"no_relation: '{self.no_relation}' is not in labels [{', '.join(self.labels)}]")
        return self


def open_task(params: Params) -> Task:
    """The task of telling these relations."""
    return Relations(params.name, params.labels, params.reading(), no_relation=params.no_relation)


@dataclass(frozen=True)
class Relations(SingleLabel):
    """Telling the relation of two marked entities.

    Attributes:
        no_relation: the label that says that there is none; precision, recall and F1 leave it out.
    """

    primary: str = "micro_f1"
    no_relation: str | None = None
    marks = MARKS

    @property
    def scored(self) -> list[str]:
        """The labels but for that of no relation."""
        return [label for label in self.labels if label != self.no_relation]

    @property
    def paraphrased(self) -> tuple[str, ...]:
        """None: nobody knows where the entities lie in a paraphrase."""
        return ()

    def fault(self, example: Example) -> str | None:
        """What is wrong with the marks, with the label, or with both, else None."""
        faults = (mark_fault(example["text"]), super().fault(example))
        return "; ".join(fault for fault in faults if fault) or None

    def fixed_spans(self, example: Example) -> tuple[list[Span], ...]:
        """The entities with their marks."""
        return (marked_spans(example["text"]),)

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Accuracy; micro and macro precision, recall and F1 of the relations: fractions; 0 where 0 is divided by 0."""
        from sklearn.metrics import accuracy_score, precision_recall_fscore_support

        expected, answers = self._both(examples, predicted)
        found = {"accuracy": float(accuracy_score(expected, answers))}
        for average in ("micro", "macro"):
            scores = precision_recall_fscore_support(
                expected, answers, labels=self.scored, average=average, zero_division=0
            )
            found |= {f"{average}_{name}": float(scores[i]) for i, name in enumerate(("precision", "recall", "f1"))}
        return found

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The metrics and the F1 of each label, of each model, in resamples of the rows that are the same for all."""
        from stages.shared.bootstrap import resampled_sums
        from stages.tasks._resampled_counts import resampled_figures

        each = np.eye(len(self.labels), dtype=np.int8)
        scored = [self.labels.index(label) for label in self.scored]
        expected = each[self._indices([example["label"] for example in examples])]
        found = []
        for predicted in models:
            answered = each[self._indices([prediction["answer"] for prediction in predicted])]
            right = expected * answered
            counts = np.stack([right, answered, expected], axis=2)[:, scored]
            figures = resampled_figures(counts, self.scored, samples, seed)
            accuracy = resampled_sums(right.sum(axis=1, keepdims=True), samples, seed)[:, 0] / len(examples)
            micro = {f"micro_{name}": figures.pop(name) for name in ("precision", "recall", "f1")}
            found.append({"accuracy": accuracy, **micro, **figures})
        return found

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What TF-IDF with logistic regression answers, for which each mark is a word."""
        read = {split: [{**row, "text": marks_as_words(row["text"])} for row in rows] for split, rows in splits.items()}
        return super().baseline(read, seed)
