"""One model trained: what a method makes of the base, fitted, its best weights in place, and finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.methods import Method, Start
from stages.regularizers import regularize
from stages.shared import plugins
from stages.shared.errors import MachineError, TrainingFailed
from stages.shared.fitting import Data, History, Hooks, Learner, Plan, fit, make_repeatable, use_focal_loss
from stages.shared.items import Item
from stages.shared.layers import trained_share
from stages.shared.params import Train
from stages.shared.predict import Batching, predict

TOLERANCE = 1e-5  # of what the saved model says, relative to the largest that is said, which counts as 1 at least
COMPARED = 8  # validation items on which that is measured


@dataclass(frozen=True)
class Member:
    """A trained model.

    Attributes:
        model: with its best weights, finished; None where no validation was reached.
        history: of its training.
        said: what it said of the first validation items before it was finished.
        share: fraction of the weights that trained.
        failure: why training ended early, if it did.
    """

    model: PreTrainedModel | None
    history: History
    said: list[np.ndarray]
    share: float
    failure: TrainingFailed | None


def say(model: PreTrainedModel, data: Data) -> list[np.ndarray]:
    """What the model says of the first validation items: logits of each batch."""
    found: list[np.ndarray] = []
    few: Sequence[Item] = data.validation[:COMPARED]
    way = Batching(COMPARED, data.padding, "compare")
    predict(data.task, model, few, way, lambda logits, _batch: found.append(logits.cpu().numpy()))
    return found


def require_same(one: Sequence[np.ndarray], other: Sequence[np.ndarray], what: str) -> None:
    """Raise MachineError when two models do not say the same."""
    for first, second in zip(one, other, strict=True):
        there = np.isfinite(first)
        apart = float(np.abs(first - second)[there].max(initial=0))
        if apart > TOLERANCE * max(1.0, float(np.abs(first[there]).max(initial=0))):
            raise MachineError(
                f"train: {what} says something else than the model that was trained: a logit differs by {apart:.2g}. "
                f"Please report this with the base and the method; train.method full is not affected."
            )


def train_member(start: Start, data: Data, plan: Plan, head_seed: int) -> Member:
    """Train one model.

    Args:
        head_seed: of what is drawn before training begins, such as a new head; `plan.seed` is of the rest.
    """
    values = cast(Train, plan.values)
    make_repeatable(head_seed, values.threads)
    method = cast(Method, plugins.load("methods", values.method.name))
    trainable = method.prepare(start, data, plan, values.method)
    model, history, failure = trainable.model, History(), None
    share = trained_share(model)
    if plan.seed != head_seed:
        torch.manual_seed(plan.seed)

    def change(learner: Learner) -> None:
        if values.focal_gamma:
            use_focal_loss(learner, values.focal_gamma)
        regularize(learner, list(values.regularizers))

    with trainable.around:
        try:
            hooks = replace(trainable.hooks or Hooks(), regularize=change)
            fit(model, trainable.data or data, plan, history, hooks)
        except TrainingFailed as error:
            failure = error
    if history.best is None:
        return Member(None, history, [], share, failure)
    model.load_state_dict(history.weights)
    said = say(model, data)
    return Member(method.finish(model), history, said, share, failure)
