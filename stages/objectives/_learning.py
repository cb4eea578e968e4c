"""What the objectives share: their options, learning from rows of text, and the figures before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from serving.tokens import Run, layout_of, probe_of, uncut_copy
from stages.objectives import Learnt, Start
from stages.objectives._params import LearningParams
from stages.shared.batches import sorted_batches
from stages.shared.corpus import Corpus, Framing, tokenize
from stages.shared.errors import DataError, TrainingFailed
from stages.shared.fitting import Data, History, Plan, fit
from stages.shared.items import Item
from stages.shared.predict import inputs_of, to_device

if TYPE_CHECKING:
    from stages.tasks import Batch

PRIMARY = "log_probability"  # nats a token, so that the best validation is the one of the lowest loss
Sums = np.ndarray  # of a batch: log probability, tokens, tokens held likeliest, and what an objective adds


class Rows(Protocol):
    """The rows of a corpus, each made when it is asked for."""

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> Item: ...


class Lesson(Protocol):
    """What a training on text is asked for beside the rows; see the functions of the same names of a task."""

    @property
    def primary(self) -> str: ...

    def renewed(self, item: Item, random: np.random.Generator) -> Item: ...

    def batch(self, items: Sequence[Item], padding: int) -> Batch: ...

    def loss_sum(self, logits: Any, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor: ...

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor: ...

    def sums(self, logits: Any, batch: Batch) -> Sums:
        """What `figures` needs of a batch, so that those of several can be added, float64."""
        ...

    def figures(self, sums: Sums) -> dict[str, float]:
        """{"loss": nats a token, "perplexity", "accuracy", ...}, given what the batches add up to."""
        ...


@dataclass(frozen=True)
class TextData(Data):
    """Rows of text to learn from, and held-out ones to measure on, each drawn once for all.

    Attributes:
        lesson: what is learnt; it is the `task`, too.
        seed: of the drawing.
    """

    lesson: Lesson
    seed: int

    @property
    def lengths(self) -> list[int]:
        """The tokens of each training row, without making any."""
        lengths: list[int] = self.train.lengths.tolist()  # type: ignore[attr-defined]  # they are Rows
        return lengths

    def figures(self, model: PreTrainedModel, batch_size: int) -> dict[str, float]:
        """What the model makes of the held-out rows."""
        was_training = model.training
        model.train(False)
        total: Sums = np.zeros(1)
        rows = self.validation
        with torch.inference_mode():
            for positions in sorted_batches(rows.lengths.tolist(), batch_size):  # type: ignore[attr-defined]
                drawn = [self.lesson.renewed(rows[i], np.random.default_rng([self.seed, i])) for i in positions]
                batch = to_device(self.lesson.batch(drawn, self.padding), model.device)
                total = total + self.lesson.sums(model(**inputs_of(batch, model)).logits, batch)
        model.train(was_training)
        return self.lesson.figures(total)

    def measured(
        self, model: PreTrainedModel, weights: torch.Tensor | None, batch_size: int
    ) -> tuple[float, dict[str, float], dict[str, Any]]:
        """The loss and the figures on the held-out rows."""
        figures = self.figures(model, batch_size)
        loss = figures.pop("loss")
        return loss, {PRIMARY: -loss, **figures}, {}


def language_figures(sums: Sums) -> dict[str, float]:
    """Loss in nats a token, perplexity and accuracy, given summed log probability, tokens and tokens held likeliest."""
    loss = -float(sums[0] / max(1, sums[1]))
    return {"loss": loss, "perplexity": float(np.exp(min(loss, 700))), "accuracy": float(sums[2] / max(1, sums[1]))}


def open_tokenizer(start: Start) -> tuple[Tokenizer, dict[int, list[Run]]]:
    """The tokenizer without padding and truncation, and where it puts special tokens around one text and two."""
    tokenizer, _ = uncut_copy(start.tokenizer.backend_tokenizer)
    probe = probe_of(tokenizer)
    return tokenizer, {1: layout_of(tokenizer.encode(probe)), 2: layout_of(tokenizer.encode(probe, probe))}


def read_corpora(start: Start, tokenizer: Tokenizer, share: float, framing: Framing) -> tuple[Corpus, Corpus]:
    """The text that is learnt from and the text that is held out, as tokens.

    Raises:
        DataError: one of them is empty.
    """
    learnt, held_out = tokenize(start.documents(), tokenizer, start.scratch, share, framing)
    for what, corpus in (("learnt from", learnt), ("held out", held_out)):
        if not len(corpus):
            raise DataError(
                f"pretrain.text: of {len(learnt) + len(held_out)} documents none is {what} "
                f"(pretrain.objective.held_out_share {share:g}). Give more text, or change the share."
            )
    return learnt, held_out


@dataclass(frozen=True)
class Loaded:
    """A model to learn, what of it is saved, and the names of its weights that the base did not have."""

    model: PreTrainedModel
    saved: PreTrainedModel
    new: set[str]


def learn_rows(loaded: Loaded, rows: tuple[Rows, Rows], lesson: Lesson, start: Start, params: LearningParams) -> Learnt:
    """Learn the first rows and measure on the second, before, while and after; the model keeps its best weights.

    Raises:
        DataError: there are no rows.
    """
    if not all(map(len, rows)):
        raise DataError("pretrain.text: its documents are too short to make a row of. Give longer ones.")
    model, padding = loaded.model, start.tokenizer.pad_token_id or 0
    task: Any = lesson  # of which the loop asks no more than a lesson has
    learnt_from, measured_on = cast(Any, rows[0]), cast(Any, rows[1])
    unread: Any = None  # no answers are made of what it says
    data = TextData(
        task=task,
        reader=unread,
        settings={},
        padding=padding,
        train=learnt_from,
        validation=measured_on,
        train_rows=[],
        validation_rows=[],
        weights=None,
        lesson=lesson,
        seed=start.seed,
    )
    history, failure = History(), None
    before = data.figures(model, params.batch_size)
    try:
        fit(model, data, Plan(params, start.seed, "pretrain.objective"), history)
    except TrainingFailed as error:
        failure = error
    if history.best is not None:
        model.load_state_dict(history.weights)
    metrics = {f"before.{name}": value for name, value in before.items()} | history.metrics()
    metrics |= {
        "rows": float(len(rows[0])),
        "held_out_rows": float(len(rows[1])),
        "new_weights": float(len(loaded.new)),
    }
    after = metrics.get("validation.perplexity", before["perplexity"])
    news = f"; {len(loaded.new)} weights, of what names words, are new" if loaded.new else ""
    return Learnt(
        model=loaded.saved if history.best is not None else None,
        history=history,
        primary=PRIMARY,
        metrics=metrics,
        summary=f"perplexity {before['perplexity']:.4g} before, {after:.4g} after {history.steps} updates{news}",
        failure=failure,
    )
