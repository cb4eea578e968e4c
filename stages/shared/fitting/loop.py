"""The training loop: batches of similar length, accumulated gradients, validations, early stopping."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from accelerate import Accelerator
from transformers import PreTrainedModel

from stages.shared.batches import padded_share, shuffled_batches
from stages.shared.errors import TrainingFailed
from stages.shared.fitting.data import Data
from stages.shared.fitting.dropout import set_dropout
from stages.shared.fitting.history import History
from stages.shared.fitting.optimizer import add_gradients, learning_rate, make_optimizer, set_learning_rate
from stages.shared.params import Fitting
from stages.shared.predict import to_device
from stages.shared.progress import Progress, report

log = logging.getLogger(__name__)
Group = list[list[int]]  # the batches of one update, each a list of positions
PRECISIONS = {"float32": "no", "bfloat16": "bf16"}  # in accelerate's words


@dataclass(frozen=True)
class Plan:
    """How a training goes: its values, the seed of every random choice, and the section of params.yaml it is in."""

    values: Fitting
    seed: int
    section: str


def groups_of_epoch(lengths: Sequence[int], plan: Plan, epoch: int) -> list[Group]:
    """The updates of an epoch: each takes `accumulation` batches, the last what is left."""
    batches = shuffled_batches(lengths, plan.values.batch_size, plan.seed, epoch)
    size = plan.values.accumulation
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def validation_points(updates: int, times: int) -> set[int]:
    """After which updates of an epoch, counted from 1, the validation split is measured; the last is one of them."""
    return {math.ceil(updates * turn / times) for turn in range(1, times + 1)}


def fit(model: PreTrainedModel, data: Data, plan: Plan, history: History) -> None:
    """Train the model until the epochs are over or patience is lost, and fill `history`, which keeps the best weights.

    A model without trainable weights is measured as it is.

    Raises:
        TrainingFailed: the loss or the gradient is not a finite number; `history` holds what was good until then.
    """
    if not any(weight.requires_grad for weight in model.parameters()):
        _Loop(model, data, plan, history, updates=0).validate(0)
        return
    lengths = data.lengths
    per_epoch = len(groups_of_epoch(lengths, plan, epoch=0))
    points = validation_points(per_epoch, plan.values.validations_per_epoch)
    loop = _Loop(model, data, plan, history, updates=per_epoch * plan.values.epochs)
    with Progress(plan.section, len(lengths) * plan.values.epochs) as progress:
        for epoch in range(plan.values.epochs):
            groups = groups_of_epoch(lengths, plan, epoch)
            history.begin_epoch(padded_share(lengths, [batch for group in groups for batch in group]))
            for position, group in enumerate(groups, start=1):
                loss = loop.update(group)
                progress.advance(sum(map(len, group)), loss=loss)
                if position in points:
                    loop.validate(epoch + position / per_epoch)
                    if history.since_best >= plan.values.patience:
                        log.info("no better validation in %d: training stops", history.since_best)
                        return


class _Loop:
    """The moving parts of a training."""

    def __init__(self, model: PreTrainedModel, data: Data, plan: Plan, history: History, updates: int) -> None:
        if plan.values.dropout is not None:
            set_dropout(model, plan.values.dropout)
        self.accelerator = Accelerator(mixed_precision=PRECISIONS[plan.values.precision])
        self.model = self.accelerator.prepare(model)
        self.weights = None if data.weights is None else data.weights.to(self.accelerator.device)
        self.data, self.plan, self.history, self.updates = data, plan, history, updates

    @cached_property
    def optimizer(self) -> Any:
        """Made when it is first needed: a model without trainable weights has none."""
        return self.accelerator.prepare(make_optimizer(self.model, self.plan.values))

    def update(self, group: Group) -> float:
        """Change the weights once, by the batches of the group together; give their mean loss."""
        started = time.perf_counter()
        self.model.train()
        step = self.history.steps + 1
        rate = learning_rate(step, self.updates, self.plan.values)
        set_learning_rate(self.optimizer, rate)
        device = self.accelerator.device
        seeds = ((self.plan.seed, step, number) for number, _ in enumerate(group))
        batches = [to_device(self.data.batch(*one), device) for one in zip(group, seeds, strict=True)]
        loss = add_gradients(self.model, batches, self.data.task, self.weights, self.accelerator.backward).item()
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.plan.values.max_gradient_norm).item()
        self._require_finite({"loss": loss, "gradient": norm}, step, rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        row = {"step": step, "loss": loss, "learning_rate": rate}
        self.history.add_update(row, examples=sum(map(len, group)), seconds=time.perf_counter() - started)
        report(step, {"loss": loss, "learning_rate": rate, "gradient_norm": norm})
        return loss

    def validate(self, epoch: float) -> None:
        """Measure the validation split, and keep the weights when they are the best so far."""
        task, step = self.data.task, self.history.steps
        loss, metrics, tuned = self.data.measured(self.model, self.weights, self.plan.values.batch_size)
        rate = self.history.updates[-1]["learning_rate"] if self.history.updates else 0.0
        self._require_finite({"validation loss": loss}, step, rate)
        row = {"step": step, "epoch": epoch, "validation_loss": loss, **metrics}
        self.history.add_validation(row, task.primary, self.model, tuned)
        report(step, {f"validation.{name.removeprefix('validation_')}": value for name, value in row.items()})
        log.info("epoch %.2f: validation loss %.4f, %s %.4f", epoch, loss, task.primary, metrics[task.primary])

    def _require_finite(self, figures: dict[str, float], step: int, rate: float) -> None:
        wrong = [f"the {name} is {value}" for name, value in figures.items() if not math.isfinite(value)]
        if wrong:
            best = self.history.best
            kept = "No validation came before it, so there is no model to keep."
            if best is not None:
                kept = f"The best model so far (update {best['step']:.0f}) is kept beside the output, as <out>.refused."
            where, values = self.plan.section, self.plan.values
            raise TrainingFailed(
                f"{where}: {' and '.join(wrong)} at update {step} of {self.updates}, learning rate {rate:.3g}. "
                f"Lower {where}.learning_rate (now {values.learning_rate:g}) or {where}.max_gradient_norm, or raise "
                f"{where}.warmup_share; with {where}.precision bfloat16, try float32. {kept}"
            )
