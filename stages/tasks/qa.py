"""Questions about a text, whose answers are spans of it, or that it does not answer.

Of a context in several windows, those that do not hold the whole answer are taught to point at their first token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from datasets import List, Value
from pydantic import Field, model_validator

from serving.reading import Window
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Move, Prediction, Span, Task
from stages.tasks._answer_scores import (
    Counts,
    Rules,
    answer_counts,
    answer_scores,
    best_threshold,
    figures_of,
)
from stages.tasks._answer_spans import answer_faults, answer_tokens, moved_answers, span_of, stands
from stages.tasks._params import TextParams
from stages.tasks._plain import PlainTexts

if TYPE_CHECKING:
    import torch

    from stages.shared.choices import Choices

_ANSWERED, _UNANSWERED = "answer", "no answer"
_ALWAYS = -1e9  # a threshold that every margin reaches: before the right one is known, every question is answered
_ASKING = frozenset(["who", "whom", "whose", "what", "when", "where", "which", "why", "how"])


class Params(TextParams):
    """What answers there are and how they are measured.

    Attributes:
        no_answer: whether a context may hold no answer.
        max_answer_tokens: tokens of the longest answer that is looked for.
        rules: whose exact match and F1: SQuAD's, for languages with spaces, or those of the Chinese CMRC 2018.
    """

    name: Literal["qa"]
    no_answer: bool
    max_answer_tokens: int = Field(ge=1)
    rules: Rules

    @model_validator(mode="after")
    def _reads_in_one_piece(self) -> Self:
        if self.long_texts == "head_tail":
            raise ValueError("long_texts: 'head_tail' leaves a gap that an answer may lie in: windows, or head")
        return self


def open_task(params: Params) -> Task:
    """The task of answering out of a context."""
    return Answering(params.name, params.no_answer, params.max_answer_tokens, params.rules, params.reading())


@dataclass(frozen=True)
class Answering(PlainTexts):
    """Answering questions out of a context.

    Attributes:
        name: of the task.
        no_answer: whether a context may hold no answer.
        max_answer_tokens: tokens of the longest answer that is looked for.
        rules: whose exact match and F1.
        reading: how texts are read, as `serving.reading.Reader` wants to know it.
    """

    name: str
    no_answer: bool
    max_answer_tokens: int
    rules: Rules
    reading: dict[str, Any]
    texts: tuple[str, ...] = ("question", "context")
    head: Literal["token"] = "token"
    primary: str = "f1"

    @property
    def outputs(self) -> list[str]:
        """How much speaks for each token as the answer's first, and as its last."""
        return ["start", "end"]

    @property
    def declared(self) -> list[str]:
        """That there is an answer, and that there is none, where both occur."""
        return [_ANSWERED, _UNANSWERED] if self.no_answer else []

    @property
    def columns(self) -> dict[str, Any]:
        """The texts, and the right answers: any of them is as good."""
        answer = {"text": Value("string"), "start": Value("int32")}
        return {**{name: Value("string") for name in self.texts}, "answers": List(answer)}

    @property
    def together(self) -> tuple[str, ...]:
        """The context: a model must not be measured on a text whose other questions it was trained on."""
        return ("context",)

    @property
    def paraphrased(self) -> tuple[str, ...]:
        """The question: nobody knows where the answer lies in a paraphrase of the context."""
        return ("question",)

    def answer(self, example: Example) -> str:
        """The first right answer, or nothing."""
        return str(example["answers"][0]["text"]) if example["answers"] else ""

    def classes(self, example: Example) -> list[str]:
        """Whether there is an answer, where that is not always so."""
        return [self.stratum(example)] if self.no_answer else []

    def stratum(self, example: Example) -> str:
        """Whether there is an answer."""
        return _ANSWERED if example["answers"] else _UNANSWERED

    def fault(self, example: Example) -> str | None:
        """That there is no question or no answer, or every answer that is not where it says, else None."""
        if not example["question"]:
            return "no question"
        if not example["answers"] and not self.no_answer:
            return "no answer, and task.no_answer is false"
        return answer_faults(example["answers"], example["context"])

    def with_texts(self, example: Example, texts: tuple[str, ...], moves: Sequence[Move]) -> Example:
        """The same example with other texts; its answers are moved, and read as the new context has them."""
        question, context = texts
        answers = moved_answers(example["answers"], example["context"], context, moves[1])
        return {**example, "question": question, "context": context, "answers": answers}

    def fixed_spans(self, example: Example) -> tuple[list[Span], ...]:
        """The answers."""
        right = (answer for answer in example["answers"] if stands(answer, example["context"]))
        return [], sorted({span_of(answer) for answer in right})

    def protected_words(self) -> frozenset[str]:
        """Question words, and what may turn a sentence round."""
        return super().protected_words() | _ASKING

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """First and last token of the answer in each window, shape (2,); twice 0 where it holds none."""
        return [answer_tokens(example["answers"], window) for window in windows]

    def class_weights(self, examples: Sequence[Example]) -> torch.Tensor | None:
        """None: a place in a text is no class."""
        return None

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of a batch over its tokens, the mean of start and end, a scalar in nats.

        Source: Devlin et al. 2019, BERT, arXiv:1810.04805, section 4.2

        Args:
            logits: shape (windows, tokens, 2).
            batch: "expected" (windows, 2), "attention_mask" (windows, tokens): padding cannot be an answer.
            weights: none.
        """
        from torch.nn.functional import cross_entropy

        scores = logits.masked_fill(batch["attention_mask"][:, :, None] == 0, float("-inf"))
        return cross_entropy(scores, batch["expected"], reduction="sum") / 2

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """Where the answer of each window starts, and where it ends, out of all its tokens."""
        from stages.shared.choices import Choices

        scores = logits.masked_fill(batch["attention_mask"][:, :, None] == 0, float("-inf"))
        return Choices(scores.transpose(1, 2).flatten(0, 1), batch["expected"].flatten())

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The windows of a batch, a scalar."""
        return batch["expected"].new_tensor(len(batch["expected"]))

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task; the threshold is decided on the validation split."""
        threshold = {"no_answer_threshold": _ALWAYS} if self.no_answer else {}
        return {
            "task": self.name,
            "answers": "extract",
            "inputs": list(self.texts),
            "max_answer_tokens": self.max_answer_tokens,
            "no_answer": self.no_answer,
            **threshold,
            **self.reading,
        }

    def tune(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> dict[str, Any]:
        """The threshold on the answer's margin over no answer that gives the highest F1.

        Args:
            examples: of the validation split.
            predicted: with an answer to every question, whatever its margin.
        """
        if not self.no_answer or not examples:
            return {}
        pairs = zip(examples, predicted, strict=True)
        answered = [self.rightness(example, prediction) for example, prediction in pairs]
        unanswered = [float(not example["answers"]) for example in examples]
        margins = [prediction["said"]["margin"] for prediction in predicted]
        return {"no_answer_threshold": best_threshold(margins, answered, unanswered)}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Exact match and F1, the best over the right answers; apart, where that may be, for no answer."""
        figures = figures_of(self._counts(examples, predicted).sum(axis=0), self.no_answer)
        return {name: float(value) for name, value in figures.items()}

    def class_scores(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """None: answers are no classes."""
        return {}

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """The F1 of the answer."""
        return answer_scores(prediction["answer"], _texts(example), self.rules)[1]

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The metrics of each model in resamples of the rows that are the same for all."""
        from stages.shared.bootstrap import resampled_sums

        counts = [self._counts(examples, predicted) for predicted in models]
        return [figures_of(resampled_sums(one, samples, seed), self.no_answer) for one in counts]

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """The sentence of the context that is nearest to the question; no random number is drawn for it."""
        from stages.tasks._answer_baseline import sentence_answers

        answers, setting = sentence_answers(splits, self.rules, self.no_answer)
        return [{"answer": text, "confidence": None, "said": {"answer": text}} for text in answers], setting

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write the figures by question word and by length; give them, and the ids of the worst answers."""
        from stages.tasks._answer_report import answer_report

        return answer_report(out, examples, self._counts(examples, predicted), self.rules)

    def _counts(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Counts:
        return answer_counts([one["answer"] for one in predicted], list(map(_texts, examples)), self.rules)


def _texts(example: Example) -> list[str]:
    return [answer["text"] for answer in example["answers"]]
