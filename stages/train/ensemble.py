"""Several members joined into one model: their weights averaged as long as validation improves, or their answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.shared.averaged import Averaged
from stages.shared.fitting import Data
from stages.shared.outcome import Metrics
from stages.train.member import Member

log = logging.getLogger(__name__)
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Joined:
    """The one model, what it makes of the validation split, and which members are in it, counted from 1."""

    model: PreTrainedModel
    loss: float
    metrics: Metrics
    tuned: dict[str, Any]
    used: list[int]


def without_fold(data: Data, member: int, members: int, seed: int) -> Data:
    """The data without one of the parts into which the training rows are cut; a row's copies go with it.

    Args:
        member: which part, counted from 0.
        members: how many parts.
        seed: of the cut.
    """
    parents = [row["parent"] or row["id"] for row in data.train_rows]
    own = sorted(set(parents))
    part = dict(zip(own, (np.random.default_rng([seed, 1]).permutation(len(own)) % members).tolist(), strict=True))
    kept = [part[parent] != member for parent in parents]
    items = [item for item in data.train if kept[item.example]]
    return replace(data, train=items)


def _measured(model: PreTrainedModel, data: Data, batch_size: int) -> tuple[float, Metrics, dict[str, Any]]:
    return data.measured(model, data.weights, batch_size)


def soup(members: Sequence[Member], data: Data, batch_size: int) -> Joined:
    """The mean of the weights of those members with which validation is no worse than without them.

    The best alone comes first, then the others as they are good; equal counts as no worse.
    Source: Wortsman et al. 2022, Model soups, arXiv:2203.05482 (the greedy soup)
    """
    primary = data.task.primary
    order = sorted(range(len(members)), key=lambda place: -(members[place].history.best or {})[primary])
    weights: list[Weights] = [
        {name: tensor.clone() for name, tensor in _model(member).state_dict().items()} for member in members
    ]
    model, used = _model(members[order[0]]), [order[0]]
    loss, metrics, tuned = _measured(model, data, batch_size)
    for place in order[1:]:
        model.load_state_dict(_mean([weights[one] for one in [*used, place]]))
        tried = _measured(model, data, batch_size)
        better = tried[1][primary] >= metrics[primary]
        verdict = "kept" if better else "left out"
        log.info("soup: with member %d validation %s is %.4f: %s", place + 1, primary, tried[1][primary], verdict)
        if better:
            used.append(place)
            loss, metrics, tuned = tried
    model.load_state_dict(_mean([weights[one] for one in used]))
    return Joined(model, loss, metrics, tuned, sorted(one + 1 for one in used))


def _model(member: Member) -> PreTrainedModel:
    assert member.model is not None  # members without a model are left out before
    return member.model


def _mean(several: Sequence[Weights]) -> Weights:
    """The mean of each weight; what is no floating number is the first's."""
    return {
        name: torch.stack([one[name] for one in several]).mean(dim=0) if first.is_floating_point() else first
        for name, first in several[0].items()
    }


def averaged(members: Sequence[Member], data: Data, batch_size: int) -> Joined:
    """All members, whose probabilities are averaged."""
    kind = data.task.averaged
    assert kind is not None  # check_train refuses the others
    model = Averaged([_model(member) for member in members], kind)
    loss, metrics, tuned = _measured(model, data, batch_size)
    return Joined(model, loss, metrics, tuned, list(range(1, len(members) + 1)))


JOINS = {"soup": soup, "probabilities": averaged}
