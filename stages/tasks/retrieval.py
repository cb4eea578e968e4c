"""The answer to a question from those there are, as for frequent questions: both are read by one encoder, and the
answers nearest to the question by cosine are given.

It learns from pairs: of a batch each question belongs to its own answer, and those of the others are the wrong ones.

Source: Henderson et al. 2017, Efficient natural language response suggestion, arXiv:1705.00652 (the other answers of a
batch as negatives); van den Oord et al. 2018, arXiv:1807.03748 (the loss, with a temperature)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from datasets import Value
from pydantic import Field, model_validator

from serving.reading import Window
from serving.text import matching_key
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Prediction, Run, Span, Task
from stages.tasks._params import TextParams
from stages.tasks._plain import WithoutClasses
from stages.tasks._retrieval_scores import DEPTH, FIGURES, figures_of, hits_of, right_answers, write_report

if TYPE_CHECKING:
    import torch

    from stages.shared.choices import Choices


class Params(TextParams):
    """How sharply the wrong answers of a batch are pushed away, and how many answers are given.

    Attributes:
        temperature: what cosines are divided by before the softmax; the smaller, the more the nearest ones count.
        top: answers that are given, best first.
    """

    name: Literal["retrieval"]
    temperature: float = Field(gt=0, le=1)
    top: int = Field(ge=DEPTH)

    @model_validator(mode="after")
    def _has_one_vector_for_a_text(self) -> Self:
        if self.long_texts == "windows":
            raise ValueError("long_texts: 'windows' gives a text several vectors; retrieval takes head or head_tail")
        if self.head is not None:
            raise ValueError(f"head: '{self.head}' is not used: retrieval takes the mean of the tokens; set it to null")
        return self


def open_task(params: Params) -> Task:
    """The task of finding answers."""
    return Retrieval(params.name, params.reading(), params.temperature, params.top)


def key_of(text: str) -> int:
    """63 bits that texts share which differ in case, spaces and the like alone."""
    return int.from_bytes(blake2b(matching_key(text).encode(), digest_size=8).digest(), "big") >> 1


def different_answers(examples: Sequence[Example]) -> list[str]:
    """Every answer once, as it is spelt first, in the order of their keys."""
    first: dict[str, str] = {}
    for example in examples:
        first.setdefault(matching_key(example["answer"]), example["answer"])
    return [first[key] for key in sorted(first)]


@dataclass(frozen=True)
class Retrieval(WithoutClasses):
    """Finding the answer to a question. The attributes are those of Params and of the contract.

    The primary metric is the mean reciprocal rank: it tells a right answer in second place, which a reader still sees,
    from one in ninth place, as recall does not.
    """

    name: str
    reading: dict[str, Any]
    temperature: float
    top: int
    texts: tuple[str, ...] = ("question", "answer")
    asked: tuple[str, ...] = ("question",)
    paraphrased: tuple[str, ...] = ("question",)
    head: Literal["sentence"] = "sentence"
    primary: str = f"mrr_at_{DEPTH}"

    @property
    def columns(self) -> dict[str, Any]:
        """Question and answer."""
        return {name: Value("string") for name in self.texts}

    def answer(self, example: Example) -> str:
        """The text of the answer."""
        return str(example["answer"])

    def stratum(self, example: Example) -> str:
        """All are of one kind: the questions of one answer are to be in several splits."""
        return ""

    def fixed_spans(self, example: Example) -> tuple[list[Span], ...]:
        """Nothing of the question, the whole answer: it is what is given to users."""
        return [], [(0, len(example["answer"]))]

    def shown(self, example: Example) -> list[tuple[str, ...]]:
        """The question and the answer, each by itself."""
        return [(example["question"],), (example["answer"],)]

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """The keys of question and answer, int64 of shape (2,): rows that share one are not wrong for each other."""
        return [np.array([key_of(example["question"]), key_of(example["answer"])], dtype=np.int64)]

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of finding the answer to a question and the question to an answer, half each.

        Args:
            logits: unit vectors of question, answer, question, answer ..., shape (2 x items, hidden).
            batch: "expected" has the keys, shape (items, 2).
        """
        from torch.nn.functional import cross_entropy

        scores, own = self._scores(logits, batch)
        return (cross_entropy(scores, own, reduction="sum") + cross_entropy(scores.T, own, reduction="sum")) / 2

    def _scores(self, logits: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """How near each question is to each answer, -inf to others that are right too; and the places of its own."""
        import torch

        scores = logits[0::2].float() @ logits[1::2].float().T / self.temperature
        keys, own = batch["expected"], torch.arange(len(scores), device=logits.device)
        also_right = (keys[:, None] == keys[None, :]).any(dim=-1) & (own[:, None] != own[None, :])
        return scores.masked_fill(also_right, float("-inf")), own

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The answer of each question out of the batch, and the question of each answer."""
        import torch

        from stages.shared.choices import Choices

        scores, own = self._scores(logits, batch)
        return Choices(torch.cat([scores, scores.T]), own.repeat(2))

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The pairs of a batch, a scalar."""
        return batch["expected"].new_tensor(len(batch["expected"]))

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task."""
        return {"task": self.name, "answers": "search", "inputs": list(self.asked), "top": self.top, **self.reading}

    def gather(self, examples: Sequence[Example], run: Run) -> dict[str, Any]:
        """The index: "candidates", every answer once, and "index", their vectors, float32 (answers, hidden)."""
        candidates = different_answers(examples)
        vectors = run([(text,) for text in candidates])
        return {"index": np.stack(vectors).astype(np.float32), "candidates": candidates}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Recall at 1, 3 and 10, mean reciprocal rank and nDCG at 10: fractions in [0, 1].

        Every answer that one of the examples has for a question is right for it.
        """
        return dict(zip(FIGURES, self._figures(examples, predicted).mean(axis=0).tolist(), strict=True))

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """1 / the rank of its answer, 0 when that is not among the first ten."""
        return float(self._figures([example], [prediction])[0, FIGURES.index(self.primary)])

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """Every figure of each model in resamples of the rows, the same for all."""
        from stages.shared.bootstrap import resampled_sums

        found = []
        for predicted in models:
            means = resampled_sums(self._figures(examples, predicted), samples, seed) / len(examples)
            found.append(dict(zip(FIGURES, means.T, strict=True)))
        return found

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What TF-IDF finds for the test questions among the answers of all splits, and its setting."""
        from stages.tasks._retrieval_baseline import search_answers

        return search_answers(splits, different_answers([row for rows in splits.values() for row in rows]))

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write plots/recall.csv and ranks.csv; give recall by cut and the hardest questions, by their ids."""
        return write_report(out, examples, *_hits(examples, predicted))

    def _figures(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> np.ndarray:
        return figures_of(*_hits(examples, predicted))


def _hits(examples: Sequence[Example], predicted: Sequence[Prediction]) -> tuple[np.ndarray, np.ndarray]:
    """Which answers of each row are right, best first, and how many there are to be found."""
    right = right_answers(examples)
    ranked = [[one["answer"] for one in prediction["said"]["candidates"]] for prediction in predicted]
    return hits_of(ranked, right), np.array([len(keys) for keys in right])
