"""The training loop: batches of similar length, accumulated gradients, validations, early stopping."""

import logging
import math
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from accelerate import Accelerator
from transformers import PreTrainedModel

from stages.shared.batches import padded_share, shuffled_batches
from stages.shared.errors import TrainingFailed
from stages.shared.params import Params
from stages.shared.predict import to_device
from stages.shared.progress import Progress, report
from stages.train.data import Data, measure
from stages.train.history import History
from stages.train.optimizer import add_gradients, learning_rate, make_optimizer, set_learning_rate

log = logging.getLogger(__name__)
Group = list[list[int]]  # the batches of one update, each a list of positions
PRECISIONS = {"float32": "no", "bfloat16": "bf16"}  # in accelerate's words


def groups_of_epoch(lengths: Sequence[int], params: Params, epoch: int) -> list[Group]:
    """The updates of an epoch: each takes `accumulation` batches, the last what is left."""
    batches = shuffled_batches(lengths, params.train.batch_size, params.seed, epoch)
    size = params.train.accumulation
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def validation_points(updates: int, times: int) -> set[int]:
    """After which updates of an epoch, counted from 1, the validation split is measured; the last is one of them."""
    return {math.ceil(updates * turn / times) for turn in range(1, times + 1)}


def fit(model: PreTrainedModel, data: Data, params: Params, history: History) -> None:
    """Train the model until the epochs are over or patience is lost, and fill `history`, which keeps the best weights.

    A model without trainable weights is measured as it is.

    Raises:
        TrainingFailed: the loss or the gradient is not a finite number; `history` holds what was good until then.
    """
    if not any(weight.requires_grad for weight in model.parameters()):
        _Loop(model, data, params, history, updates=0).validate(0)
        return
    lengths = [item.tokens for item in data.train]
    per_epoch = len(groups_of_epoch(lengths, params, epoch=0))
    points = validation_points(per_epoch, params.train.validations_per_epoch)
    loop = _Loop(model, data, params, history, updates=per_epoch * params.train.epochs)
    with Progress("train", len(lengths) * params.train.epochs) as progress:
        for epoch in range(params.train.epochs):
            groups = groups_of_epoch(lengths, params, epoch)
            history.begin_epoch(padded_share(lengths, [batch for group in groups for batch in group]))
            for position, group in enumerate(groups, start=1):
                loss = loop.update(group)
                progress.advance(sum(map(len, group)), loss=loss)
                if position in points:
                    loop.validate(epoch + position / per_epoch)
                    if history.since_best >= params.train.patience:
                        log.info("no better validation in %d: training stops", history.since_best)
                        return


class _Loop:
    """The moving parts of a training."""

    def __init__(self, model: PreTrainedModel, data: Data, params: Params, history: History, updates: int) -> None:
        self.accelerator = Accelerator(mixed_precision=PRECISIONS[params.train.precision])
        self.model = self.accelerator.prepare(model)
        self.weights = None if data.weights is None else data.weights.to(self.accelerator.device)
        self.data, self.params, self.history, self.updates = data, params, history, updates

    @cached_property
    def optimizer(self) -> Any:
        """Made when it is first needed: a model without trainable weights has none."""
        return self.accelerator.prepare(make_optimizer(self.model, self.params.train))

    def update(self, group: Group) -> float:
        """Change the weights once, by the batches of the group together; give their mean loss."""
        started = time.perf_counter()
        self.model.train()
        step = self.history.steps + 1
        rate = learning_rate(step, self.updates, self.params.train)
        set_learning_rate(self.optimizer, rate)
        device = self.accelerator.device
        batches = [to_device(self.data.batch([self.data.train[i] for i in batch]), device) for batch in group]
        loss = add_gradients(self.model, batches, self.data.task, self.weights, self.accelerator.backward).item()
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.params.train.max_gradient_norm).item()
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
        loss, metrics, tuned = measure(self.model, self.data, self.weights, self.params)
        rate = self.history.updates[-1]["learning_rate"] if self.history.updates else 0.0
        self._require_finite({"validation loss": loss}, step, rate)
        row = {"step": step, "epoch": epoch, "validation_loss": loss, **metrics}
        self.history.add_validation(row, task.primary, self.model, tuned)
        report(step, {f"validation.{name.removeprefix('validation_')}": value for name, value in row.items()})
        log.info("epoch %.2f: validation loss %.4f, %s %.4f", epoch, loss, task.primary, metrics[task.primary])

    def _require_finite(self, values: dict[str, float], step: int, rate: float) -> None:
        wrong = [f"the {name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            best = self.history.best
            kept = "No validation came before it, so there is no model to keep."
            if best is not None:
                kept = f"The best model so far (update {best['step']:.0f}) is kept beside the output, as <out>.refused."
            raise TrainingFailed(
                f"train: {' and '.join(wrong)} at update {step} of {self.updates}, learning rate {rate:.3g}. "
                f"Lower train.learning_rate (now {self.params.train.learning_rate:g}) or train.max_gradient_norm, or "
                f"raise train.warmup_share; with train.precision bfloat16, try float32. {kept}"
            )
