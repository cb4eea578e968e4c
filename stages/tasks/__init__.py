"""What is predicted. A task is a file of this folder that has:

    class Params(Choice)          its options in params.yaml
    def open_task(params)         the task with these options: an object with everything of the protocol below

The rest of the pipeline asks no other question of it. What several tasks share lies in the files that start with `_`.
Every stage reads the chosen file for its Params: what is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

import numpy as np

from serving.reading import Reader, Window
from serving.text import matching_key
from stages.shared import plugins
from stages.shared.examples import Example
from stages.tasks._measured import Measured, Prediction

if TYPE_CHECKING:  # every stage reads the task's Params, and most need no torch
    import torch
    from transformers import PreTrainedTokenizerBase

    from serving.runtime import Runtime
    from stages.shared.base_model import BaseModel
    from stages.shared.choices import Choices
    from stages.shared.items import Item, Output
    from stages.shared.no_words import NoWords

__all__ = [
    "Batch",
    "Measured",
    "Move",
    "Prediction",
    "Run",
    "Span",
    "Task",
    "asked_of",
    "content_of",
    "task_of",
    "texts_of",
]

Batch: TypeAlias = "dict[str, torch.Tensor]"
Span: TypeAlias = tuple[int, int]  # of characters, the end excluded
Move: TypeAlias = Callable[[int], int]  # where a position of a text lies after the text has changed
Run: TypeAlias = Callable[[Sequence[tuple[str, ...]]], list[Any]]  # the model's output for each of many requests


class Task(Measured, Protocol):
    """What `open_task` gives."""

    @property
    def medium(self) -> Literal["text", "picture"]:
        """What its examples are made of: how validate measures and compares them, and augment makes copies."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that hold its texts: what is cleaned, measured, compared for duplicates and augmented."""
        ...

    @property
    def asked(self) -> tuple[str, ...]:
        """What a server is given: those of the texts that the model reads, in their order, or a picture."""
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
    def head(
        self,
    ) -> Literal["sequence", "compared", "token", "sentence", "seq2seq", "causal_lm", "masked_lm", "picture"]:
        """What the model gives.

        sequence: (batch, outputs); compared, picture: the same, of two texts, of a picture;
        token: (batch, tokens, outputs); sentence: unit vectors (batch, hidden);
        seq2seq, causal_lm, masked_lm: (batch, tokens, words of the tokenizer).
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

    # reading

    def opened(self, values: dict[str, Any], folder: Path, watched: Path) -> dict[str, Any]:
        """The values of a row of the source, with what lies in files of its own, such as pictures, in their place.

        Args:
            values: by the names of the columns.
            folder: what the row's paths are relative to.
            watched: the folder, or the file, that DVC watches: what lies outside it may change unseen.

        Raises:
            ValueError: a file cannot be used; the message says which.
        """
        ...

    def require_fit(self, base: BaseModel) -> None:
        """Raise ParamsError where the base cannot read what the parameters say, such as so long a text."""
        ...

    def open_tokenizer(self, folder: Path) -> PreTrainedTokenizerBase | NoWords:
        """The tokenizer in the folder of a base or trained model, with the marks; where no words are read, NoWords.

        Raises:
            MachineError: there is none that can be read.
        """
        ...

    def open_reader(self, tokenizer: Any, settings: Mapping[str, Any]) -> Reader:
        """The reader that production has, given what `open_tokenizer` gave, and the settings of task and method."""
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

    def read_by(self, reader: Any) -> Task:
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

    @property
    def averaged(self) -> Literal["softmax", "sigmoid"] | None:
        """What makes probabilities of its outputs, so that those of several models have a mean; None where none do."""
        ...

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The choices out of several options that a batch is made of; yes or no is one of two."""
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


def task_of(params: Any) -> Task:
    """The task that the section `task` of params.yaml chooses."""
    return cast(Task, plugins.load("tasks", params.name).open_task(params))


def texts_of(task: Task, example: Example) -> tuple[str, ...]:
    """The texts of an example."""
    return tuple(example[name] for name in task.texts)


def asked_of(task: Task, example: Example) -> tuple[str, ...]:
    """What a server is given of an example: texts, or the bytes of a picture."""
    return task.question(example)


def content_of(task: Task, example: Example) -> bytes:
    """16 bytes that examples share which say the same: texts but for case, spaces and the like; pictures to the bit."""
    values = [example[name] for name in dict.fromkeys((*task.texts, *task.asked))]
    parts = [value if isinstance(value, bytes) else matching_key(value).encode() for value in values]
    return blake2b(b"\0".join(parts), digest_size=16).digest()
