"""The part of a task's contract that is about how right its answers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from serving.reading import Reader
from stages.shared.examples import Example
from stages.shared.outcome import Metrics

Prediction: TypeAlias = dict[str, Any]
"""{"answer": in one line, "confidence": or None, "said": by the server, "scores": of what was expected, if any}"""


class Measured(Protocol):
    """What `stages.tasks.Task` has for measuring."""

    @property
    def answers_are_texts(self) -> bool:
        """Whether an answer holds words of a text, so that a report shows it only where it may show texts."""
        ...

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Every metric of the task, `primary` among them."""
        ...

    def class_scores(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """The F1 of each class, by its name, for the worst class of a comparison; empty without classes."""
        ...

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """How right a prediction is, from 0 to 1 (all right)."""
        ...

    def agrees(self, one: Prediction, other: Prediction) -> bool:
        """Whether two models give the same answer."""
        ...

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The headline metrics, and `f1.<class>`, of each model in resamples of the test rows.

        The rows drawn are the same for all models, so that the values of two can be subtracted.

        Returns:
            For each model: name of the metric: its values, shape (samples,).
        """
        ...

    def counted(self, reader: Reader, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples as the classical method is given them: mostly as they are, or with their tokens."""
        ...

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What the classical method for the task answers on splits["test"], and what it is, in words.

        It learns from splits["train"] and chooses its settings on splits["validation"].
        """
        ...

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write the task's own plots/*.csv and pictures/*.png into `out`; give its part of the report, in Markdown."""
        ...
