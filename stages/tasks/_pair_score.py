"""A score for two texts, such as how much they mean the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from datasets import Value

from serving.reading import Window
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Prediction
from stages.tasks._plain import WithoutClasses
from stages.tasks._score_figures import (
    FIFTHS,
    Values,
    fifth_of,
    resampled_score_figures,
    score_figures,
    score_report,
)

if TYPE_CHECKING:
    import torch

    from stages.shared.choices import Choices

TEXTS = ("first", "second")
_SAME_ANSWER = 0.05  # of the range: what two models may differ by and still agree


@dataclass(frozen=True)
class PairScore(WithoutClasses):
    """Scoring two texts.

    The model's one output is the logit of the score's place in the range, 0 for the lowest and 1 for the highest, so
    that its weights have the same size whatever the unit is; a server gives the score in the data's unit.

    Attributes:
        name: of the task.
        low, high: the lowest and the highest score that there is.
        reading: how texts are read, as `serving.reading.Reader` wants to know it.
    """

    name: str
    low: float
    high: float
    reading: dict[str, Any]
    texts: tuple[str, ...] = TEXTS
    head: Literal["compared"] = "compared"
    primary: str = "spearman"

    @property
    def answers_are_texts(self) -> bool:
        """They are numbers."""
        return False

    @property
    def outputs(self) -> list[str]:
        """One."""
        return ["score"]

    @property
    def columns(self) -> dict[str, Any]:
        """The texts and the score."""
        return {**{name: Value("string") for name in self.texts}, "score": Value("float32")}

    def answer(self, example: Example) -> str:
        """The score, to four places."""
        return "" if example["score"] is None else f"{example['score']:.4f}"

    def stratum(self, example: Example) -> str:
        """Which fifth of the range the score is in; that of no score is empty."""
        score = example["score"]
        if score is None or not math.isfinite(score):
            return ""
        return f"{int(fifth_of(score, self.low, self.high)) + 1} of {FIFTHS}"

    def fault(self, example: Example) -> str | None:
        """That the score is missing, no finite number or out of the range, else None."""
        score = example["score"]
        if score is None:
            return "no score"
        low, high = np.float32(self.low), np.float32(self.high)  # as the column has the score
        if math.isfinite(score) and low <= np.float32(score) <= high:
            return None
        return f"score {score:g} is not in task.score, {self.low:g} to {self.high:g}"

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """The score's place in the range, for each window."""
        return [(example["score"] - self.low) / (self.high - self.low)] * len(windows)

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross-entropy of a batch, a scalar in nats, with the place as a probability; logits (batch, 1)."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        places = batch["expected"].to(logits.dtype)
        return binary_cross_entropy_with_logits(logits[:, 0], places, reduction="sum")

    @property
    def averaged(self) -> Literal["softmax", "sigmoid"] | None:
        """Of the place in the range."""
        return "sigmoid"

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """Low or high for each pair; what is expected lies between the two."""
        import torch

        from stages.shared.choices import Choices

        return Choices(torch.cat([torch.zeros_like(logits), logits], dim=-1), None)

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The examples of a batch, a scalar."""
        return batch["expected"].new_tensor(len(batch["expected"]))

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task."""
        span = {"min": self.low, "max": self.high}
        return {"task": self.name, "answers": "score", "inputs": list(self.texts), "score": span, **self.reading}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Pearson's and Spearman's correlation, 0 for constant predictions, and the mean absolute error."""
        found = score_figures(self._expected(examples), self._predicted(predicted))
        return {name: float(value) for name, value in found.items()}

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """1 less the difference, in ranges."""
        return float(max(0.0, 1 - abs(example["score"] - float(prediction["answer"])) / (self.high - self.low)))

    def agrees(self, one: Prediction, other: Prediction) -> bool:
        """Whether the scores differ by a twentieth of the range at most."""
        return abs(float(one["answer"]) - float(other["answer"])) <= _SAME_ANSWER * (self.high - self.low)

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The metrics of each model in resamples of the rows that are the same for all."""
        scores = [self._predicted(predicted) for predicted in models]
        return list(resampled_score_figures(self._expected(examples), scores, samples, seed))

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """The scores that the TF-IDF of the two texts gives; it draws no random numbers."""
        from stages.tasks._pair_baseline import line_scores

        scores, setting = line_scores(splits, self.low, self.high)
        return [
            {"answer": f"{score:.4f}", "confidence": None, "said": {"score": score}} for score in scores.tolist()
        ], setting

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write the scores, as a list, by fifths and as a picture; give the fifths."""
        return score_report(out, self._expected(examples), self._predicted(predicted), (self.low, self.high))

    def _expected(self, examples: Sequence[Example]) -> Values:
        return np.array([example["score"] for example in examples], dtype=np.float64)

    def _predicted(self, predicted: Sequence[Prediction]) -> Values:
        return np.array([prediction["said"]["score"] for prediction in predicted], dtype=np.float64)
