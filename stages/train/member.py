"""One model trained: what a method makes of the base, fitted, its best weights in place, and finished."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.methods import Method, Start
from stages.regularizers import regularize
from stages.shared import plugins
from stages.shared.errors import TrainingFailed
from stages.shared.fitting import Data, History, Hooks, Learner, Plan, fit, make_repeatable, use_focal_loss
from stages.shared.layers import trained_share
from stages.shared.params import Train
from stages.shared.same import COMPARED, say


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
    said = say(data.task, model, data.validation[:COMPARED], data.padding)
    return Member(method.finish(model), history, said, share, failure)
