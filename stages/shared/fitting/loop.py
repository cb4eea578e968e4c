"""The training loop: batches of similar length, accumulated gradients, validations, early stopping."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from accelerate import Accelerator, PartialState
from transformers import PreTrainedModel

from stages.shared.batches import padded_share, shuffled_batches
from stages.shared.errors import ParamsError, TrainingFailed
from stages.shared.fitting.average import Average
from stages.shared.fitting.compiled import compiled
from stages.shared.fitting.data import Data
from stages.shared.fitting.dropout import fast_dropout, set_dropout
from stages.shared.fitting.find_rate import range_test, rate_of
from stages.shared.fitting.history import History, Row
from stages.shared.fitting.learner import Learner, add_gradients
from stages.shared.fitting.optimizer import add_noise, make_optimizer, set_learning_rate
from stages.shared.fitting.precision import chosen_precision
from stages.shared.fitting.resume import Position, Resumption
from stages.shared.fitting.schedule import learning_rate
from stages.shared.fitting.vocabulary import Words, words_in_use
from stages.shared.fitting_params import Fitting
from stages.shared.predict import to_device
from stages.shared.progress import Progress, report

log = logging.getLogger(__name__)
Group = list[list[int]]  # the batches of one update, each a list of positions
PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}  # in accelerate's words


def _nothing(_: Any) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Plan:
    """How a training goes: its values, the seed of every random choice, and the section of params.yaml it is in."""

    values: Fitting
    seed: int
    section: str


class Stateful(Protocol):
    """What changes from update to update and is no weight that trains."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Hooks:
    """What a method or a regularizer does in the loop.

    Attributes:
        regularize: puts functions of its own into the learner, before the first update.
        penalty: what is added to the loss of each update, a scalar; None is nothing.
        after_update: called with the number of each update, counted from 1, while its gradients are there.
        state: what the method keeps beside the weights, so that a training that was broken off can go on.
    """

    regularize: Callable[[Learner], None] = _nothing
    penalty: Callable[[], torch.Tensor] | None = None
    after_update: Callable[[int], None] = _nothing
    state: Stateful | None = None


NO_HOOKS = Hooks()


def groups_of_epoch(lengths: Sequence[int], plan: Plan, epoch: int) -> list[Group]:
    """The updates of an epoch: each takes `accumulation` batches, the last what is left."""
    batches = shuffled_batches(lengths, plan.values.batch_size, plan.seed, epoch)
    size = plan.values.accumulation
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def updates_of(data: Data, plan: Plan) -> int:
    """How many updates there are when no epoch is left out."""
    batches = -(-len(data.train) // plan.values.batch_size)
    return plan.values.epochs * -(-batches // plan.values.accumulation)


def validation_points(updates: int, times: int) -> set[int]:
    """After which updates of an epoch, counted from 1, the validation split is measured; the last is one of them."""
    return {math.ceil(updates * turn / times) for turn in range(1, times + 1)}


def fit(model: PreTrainedModel, data: Data, plan: Plan, history: History, hooks: Hooks = NO_HOOKS) -> None:
    """Train the model until the epochs are over or patience is lost, and fill `history`, which keeps the best weights.

    A model without trainable weights is measured as it is. Within a stage checkpoints are written now and then, and a
    training that was broken off goes on from the newest, to the same weights to the bit.

    Raises:
        TrainingFailed: the loss or the gradient is not a finite number; `history` holds what was good until then.
        ParamsError: the precision is not for this device.
        MachineError: there are checkpoints, and every one is damaged.
    """
    if not any(weight.requires_grad for weight in model.parameters()):
        loop = Loop(model, data, plan, history, hooks)
        try:
            loop.validate(0)
        finally:
            loop.release()
        return
    resumption = Resumption()
    history.precision = resumption.precision
    loop = Loop(model, data, plan, history, hooks)
    try:
        device = loop.accelerator.device
        with (
            fast_dropout(model, device),
            words_in_use(loop.model, data, plan.values) as loop.words,
            compiled(loop.model, device, loop.updates),
        ):
            if resumption.state is None:
                loop.find_rate()
            _epochs(loop, resumption)
    finally:
        loop.release()


def _epochs(loop: "Loop", resumption: Resumption) -> None:
    values, lengths = loop.plan.values, loop.data.lengths
    begun = resumption.restore(loop)
    with Progress(loop.plan.section, len(lengths) * values.epochs) as progress:
        progress.advance(loop.history.examples)
        for epoch in range(begun.epoch, values.epochs):
            done = begun.updates if epoch == begun.epoch else 0
            if not _epoch(loop, epoch, done, resumption, progress):
                log.info("no better validation in %d: training stops", loop.history.since_best)
                break
    resumption.keep(loop, Position(values.epochs), is_end=True)


def _epoch(loop: "Loop", epoch: int, done: int, resumption: Resumption, progress: Progress) -> bool:
    """What is left of an epoch of which some updates are done; whether another may follow, for patience is not lost."""
    values, lengths, history = loop.plan.values, loop.data.lengths, loop.history
    groups = groups_of_epoch(lengths, loop.plan, epoch)
    points = validation_points(len(groups), values.validations_per_epoch)
    if not done:
        history.begin_epoch(padded_share(lengths, [batch for group in groups for batch in group]))
    for position, group in enumerate(groups[done:], start=done + 1):
        loss = loop.update(group)
        progress.advance(sum(map(len, group)), loss=loss)
        if position in points:
            loop.validate(epoch + position / len(groups))
            if history.since_best >= values.patience:
                return False
        resumption.keep(loop, Position(epoch, position))
    return True


class Loop:
    """The moving parts of a training."""

    def __init__(self, model: PreTrainedModel, data: Data, plan: Plan, history: History, hooks: Hooks) -> None:
        values = plan.values
        if values.dropout is not None:
            set_dropout(model, values.dropout)
        device = PartialState().device
        if values.precision == "float16" and device.type == "cpu":
            raise ParamsError(
                f"{plan.section}.precision: float16: a CPU computes in it no faster. The nearest precision that works "
                f"is bfloat16."
            )
        if values.gradient_checkpointing:
            (getattr(model, "body", None) or model).activation_checkpointing_enable()
        history.precision = chosen_precision(history.precision or values.precision, device)
        self.accelerator = Accelerator(mixed_precision=PRECISIONS[history.precision])
        self.model = self.accelerator.prepare(model)
        weights = None if data.weights is None else data.weights.to(self.accelerator.device)
        self.learner = Learner(self.model, data.task, weights)
        hooks.regularize(self.learner)
        self.data, self.plan, self.history, self.hooks = data, plan, history, hooks
        self.updates = updates_of(data, plan)
        self.words: Words | None = None
        self.highest = 0.0 if values.learning_rate == "find" else values.learning_rate

    @cached_property
    def optimizer(self) -> Any:
        """Made when it is first needed: a model without trainable weights has none."""
        return self.accelerator.prepare(make_optimizer(self.model, self.plan.values))

    @cached_property
    def average(self) -> Average | None:
        """Of the weights, if it is asked for."""
        decay = self.plan.values.average_decay
        return None if decay is None else Average(self.model, decay)

    def release(self) -> None:
        """Take off the model what the accelerator put around its forward pass, as a lower precision."""
        if "_original_forward" in vars(self.model):
            del self.model._original_forward, self.model.forward, self.model._is_accelerate_prepared

    def find_rate(self) -> None:
        """Where the learning rate is to be found: try rising rates, then take the weights back to where they were."""
        if self.plan.values.learning_rate != "find":
            return
        groups = groups_of_epoch(self.data.lengths, self.plan, epoch=0)
        before = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        chance, unmoved = torch.get_rng_state(), copy.deepcopy(self.optimizer.state_dict())
        self.history.rates = range_test(lambda number, rate: self._step(groups[number % len(groups)], number, rate)[0])
        if not self.history.rates:
            raise ParamsError(
                f"{self.plan.section}.learning_rate: find: the loss is no finite number at the lowest rate that is "
                f"tried. Give a number, as 5.0e-5, and see what the error says."
            )
        self.model.load_state_dict(before)
        torch.set_rng_state(chance)
        self.optimizer.load_state_dict(unmoved)
        self.highest = rate_of(self.history.rates)

    def _step(
        self, group: Group, step: int, rate: float, then: Callable[[int], None] = _nothing
    ) -> tuple[float, float]:
        """Change the weights once, by the batches of the group together; give their mean loss and the gradient's norm.

        A loss that is no finite number changes nothing. `then` is called after a change, while the gradients are there.
        """
        self.model.train()
        set_learning_rate(self.optimizer, rate)
        device = self.accelerator.device
        seeds = ((self.plan.seed, step, number) for number, _ in enumerate(group))
        batches = [to_device(self.data.batch(*one), device) for one in zip(group, seeds, strict=True)]
        loss = add_gradients(self.learner, batches, self.accelerator.backward).item()
        if self.hooks.penalty is not None:
            self.accelerator.backward(self.hooks.penalty())
        if self.plan.values.gradient_noise:
            add_noise(self.model, self.plan.values.gradient_noise, step)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.plan.values.max_gradient_norm).item()
        scaled = self.history.precision == "float16"  # the scaler leaves out an update whose gradient is too large
        if math.isfinite(loss) and (math.isfinite(norm) or scaled):
            self.optimizer.step()
            if self.words is not None:
                self.words.shrink(self.optimizer)
            then(step)
        self.optimizer.zero_grad()
        return loss, 0.0 if scaled else norm

    def update(self, group: Group) -> float:
        """Change the weights once, by the batches of the group together; give their mean loss."""
        started = time.perf_counter()
        step = self.history.steps + 1
        rate = learning_rate(step, self.updates, self.plan.values, self.highest)
        loss, norm = self._step(group, step, rate, self.hooks.after_update)
        self._require_finite({"loss": loss, "gradient": norm}, step, rate)
        if self.average is not None:
            self.average.update()
        row = {"step": step, "loss": loss, "learning_rate": rate}
        self.history.add_update(row, examples=sum(map(len, group)), seconds=time.perf_counter() - started)
        report(step, {"loss": loss, "learning_rate": rate, "gradient_norm": norm})
        return loss

    def validate(self, epoch: float) -> None:
        """Measure the validation split, and keep the weights when they are the best so far."""
        task, step = self.data.task, self.history.steps
        with self.average.in_place() if self.average is not None and step else nullcontext():
            loss, metrics, tuned = self.data.measured(self.model, self.learner.weights, self.plan.values.batch_size)
            rate = self.history.updates[-1]["learning_rate"] if self.history.updates else 0.0
            self._require_finite({"validation loss": loss}, step, rate)
            row = {"step": step, "epoch": epoch, "validation_loss": loss, **metrics}
            self.history.add_validation(row, task.primary, self.model, tuned)
        self.report_validation(row)
        log.info("epoch %.2f: validation loss %.4f, %s %.4f", epoch, loss, task.primary, metrics[task.primary])

    def report_validation(self, row: Row) -> None:
        """Hand the figures of a validation to whoever listens."""
        figures = {f"validation.{name.removeprefix('validation_')}": value for name, value in row.items()}
        report(int(row["step"]), figures)

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
                f"Lower {where}.learning_rate (now {values.learning_rate}) or {where}.max_gradient_norm, or raise "
                f"{where}.warmup; in bfloat16 (now {self.history.precision}) set {where}.precision to float32. {kept}"
            )
