"""What is predicted. A task is a file of this folder that has:

    class Params(Choice)          its options in params.yaml
    def open_task(params)         the task with these options: an object with everything of the protocol below

The rest of the pipeline asks no other question of it. What several tasks share lies in the files that start with `_`.
Every stage reads the chosen file for its Params: what is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

import numpy as np

from serving.reading import Reader, Window
from stages.shared import plugins
from stages.shared.examples import Example
from stages.shared.outcome import Metrics

if TYPE_CHECKING:  # every stage reads the task's Params, and most need no torch
    import torch
    from transformers import PreTrainedTokenizerBase

    from serving.runtime import Runtime
    from stages.shared.items import Item, Output

Batch: TypeAlias = "dict[str, torch.Tensor]"
Prediction: TypeAlias = dict[str, Any]
"""{"answer": in one line, "confidence": or None, "said": by the server, "scores": of what was expected, if any}"""
Span: TypeAlias = tuple[int, int]  # of characters, the end excluded
Move: TypeAlias = Callable[[int], int]  # where a position of a text lies after the text has changed
Run: TypeAlias = Callable[[Sequence[tuple[str, ...]]], list[Any]]  # the model's output for each of many requests


class Task(Protocol):
    """What `open_task` gives."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that hold its texts: what is cleaned, measured, compared for duplicates and augmented."""
        ...

    @property
    def asked(self) -> tuple[str, ...]:
        """Those of them that a server is given, in the order in which the model reads them."""
        ...

    @property
    def paraphrased(self) -> tuple[str, ...]:
        """Those that may be replaced by a paraphrase as a whole, as by back-translation; empty where none may."""
        ...

    @property
    def together(self) -> tuple[str, ...]:
        """Those that bind rows: rows that are equal in them are never cut into two splits."""
        ...

    @property
    def head(self) -> Literal["sequence", "compared", "token", "sentence", "seq2seq", "causal_lm", "masked_lm"]:
        """What the model gives.

        sequence: (batch, outputs); compared: the same, of two texts; token: (batch, tokens, outputs);
        sentence: unit vectors (batch, hidden); seq2seq, causal_lm, masked_lm: (batch, tokens, words of the tokenizer).
        """
        ...

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs of the model's head; empty for "sentence"."""
        ...

    @property
    def marks(self) -> list[str]:
        """Words that are added to the tokenizer's vocabulary, each one token."""
        ...

    @property
    def primary(self) -> str:
        """The name of its primary metric; higher is better."""
        ...

    @property
    def declared(self) -> list[str]:
        """The classes there are, each of which must occur in every split; empty for a task without a fixed set."""
        ...

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that it adds to an example, with their types (`datasets` features)."""
        ...

    # the expected answer of an example

    def answer(self, example: Example) -> str:
        """What is expected, in one line, the same for equal answers: for conflicts and for the reader."""
        ...

    def classes(self, example: Example) -> list[str]:
        """The classes that occur in what is expected, for the balance; empty where there are none."""
        ...

    def stratum(self, example: Example) -> str:
        """Which of a few kinds of examples it is: splits are cut so that each has its share of every kind."""
        ...

    def fault(self, example: Example) -> str | None:
        """Why what is expected cannot be used (an unknown label, with the nearest known one), else None."""
        ...

    # changing an example

    def with_texts(self, example: Example, texts: tuple[str, ...], moves: Sequence[Move]) -> Example:
        """The same example with other texts, as after cleaning or augmentation; its spans are moved along."""
        ...

    def fixed_spans(self, example: Example) -> tuple[list[Span], ...]:
        """For each text the spans that augmentation must not touch."""
        ...

    def protected_words(self) -> frozenset[str]:
        """Words, in lower case, that augmentation must not touch because they may carry the answer."""
        ...

    # learning

    def shown(self, example: Example) -> list[tuple[str, ...]]:
        """What the model reads: one text or pair of texts, or several that belong together, the asked one first."""
        ...

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """What the loss expects of each window: a number, or an array whose first axis is padded with -100."""
        ...

    def items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """What is measured of the examples, in their order: an item for each window, or for rows that belong together.

        Raises:
            ParamsError: max_tokens leaves no room for a text.
        """
        ...

    def training_items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """What is learnt from the examples: mostly the same items."""
        ...

    def renewed(self, item: Item, random: np.random.Generator) -> Item:
        """A training item as it is learnt from this time, such as with other words masked; mostly as it is."""
        ...

    def read_by(self, reader: Reader) -> Task:
        """The task with the words of a reader, where it hides or counts some; mostly as it is."""
        ...

    def question(self, example: Example) -> tuple[str, ...]:
        """The texts of an example that a server is given: mostly those that are asked, as they are."""
        ...

    def batch(self, items: Sequence[Item], padding: int) -> Batch:
        """One padded batch of items: what the model reads, and "expected"."""
        ...

    def kept(self, output: Output, item: Item) -> Output:
        """What is kept of the model's output for an item: all of it, or what answers and metrics need."""
        ...

    def answered(self, runtime: Runtime, item: Item) -> Output:
        """The same, of a model in production, each row by itself."""
        ...

    def base_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Settings that hang on the base's tokenizer, such as the token that ends a text; mostly none.

        Raises:
            ParamsError: the tokenizer lacks what the task needs.
        """
        ...

    @property
    def limits(self) -> tuple[int, ...]:
        """How many tokens the model reads at once of each of what is shown; the last is of all that follow, too."""
        ...

    def class_weights(self, examples: Sequence[Example]) -> torch.Tensor | None:
        """Balanced weights, shape (classes,): rows / (classes x rows of the class); None where there are no classes."""
        ...

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed loss of a batch, a scalar in nats. Divided by `loss_weight` it is the mean."""
        ...

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """What the summed loss of a batch is divided by, a scalar: the examples, or their class weights."""
        ...

    # answering

    def settings(self) -> dict[str, Any]:
        """What a server must know: {"answers": a file of serving/answers/, "inputs", "max_tokens", "labels", ...}."""
        ...

    def tune(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> dict[str, Any]:
        """Settings that are decided on the validation split, as thresholds, given what is predicted without them."""
        ...

    def gather(self, examples: Sequence[Example], run: Run) -> dict[str, Any]:
        """What an answer needs beside model and settings, as an index: name: array or list of texts."""
        ...

    # measuring

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


def task_of(params: Any) -> Task:
    """The task that the section `task` of params.yaml chooses."""
    return cast(Task, plugins.load("tasks", params.name).open_task(params))


def texts_of(task: Task, example: Example) -> tuple[str, ...]:
    """The texts of an example."""
    return tuple(example[name] for name in task.texts)


def asked_of(task: Task, example: Example) -> tuple[str, ...]:
    """Those texts of an example that a server is given."""
    return task.question(example)
