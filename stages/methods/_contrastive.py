"""Learning from pairs of texts: those of one label belong together, those of two do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.methods import Start, Trainable
from stages.methods._embedding import mean_model
from stages.methods._probe import fit_top, given_to_top
from stages.shared.bodies import reads_forward
from stages.shared.errors import DataError, ParamsError
from stages.shared.fitting import Data, measure
from stages.shared.items import Item, collate
from stages.shared.outcome import Metrics

if TYPE_CHECKING:
    from stages.methods.setfit import Params
    from stages.shared.headed import Headed
    from stages.tasks import Batch, Task


class Seen:
    """The unit vectors of the last forward pass, (rows, hidden): what the loss is of, in the place of the logits."""

    def __init__(self, model: Headed) -> None:
        self.vectors = torch.empty(0)
        model.head.get_submodule("pooled").register_forward_hook(self._see)

    def _see(self, _module: Any, _given: Any, vectors: torch.Tensor) -> None:
        self.vectors = vectors


@dataclass(frozen=True)
class Pairs:
    """What is learnt: pairs of texts of one label, each with a partner that is drawn anew each time.

    Attributes:
        task: whose texts they are.
        items: of the training split.
        of_label: the positions of the items of each label.
        seen: the vectors of the pass.
    """

    task: Task
    items: Sequence[Item]
    of_label: dict[int, list[int]]
    seen: Seen

    @property
    def primary(self) -> str:
        """That of the task."""
        return self.task.primary

    def renewed(self, item: Item, random: np.random.Generator) -> Item:
        """The text with another of its label; with itself where there is none."""
        others = [place for place in self.of_label[item.expected] if self.items[place] is not item]
        partner = self.items[others[random.integers(len(others))]] if others else item
        return Item(item.example, (item.rows[0], partner.rows[0]), item.expected)

    def batch(self, items: Sequence[Item], padding: int) -> Batch:
        """The rows of the pairs, one after the other, and the label of each pair."""
        return collate(items, padding)

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The squared difference of the cosines to 1 for one label and 0 for two, both kinds with equal weight."""
        vectors = self.seen.vectors.float()
        labels = batch["expected"].repeat_interleave(2)
        same = labels[:, None] == labels[None, :]
        apart, other = (vectors @ vectors.T - same.float()).square(), ~torch.eye(len(labels), dtype=torch.bool)
        kinds = [apart[same & other.to(same.device)], apart[~same]]
        means = [kind.mean() for kind in kinds if kind.numel()]
        return torch.stack(means).mean() * len(batch["expected"])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The pairs."""
        return batch["expected"].new_tensor(len(batch["expected"]))


@dataclass(frozen=True)
class PairData(Data):
    """Pairs to learn from; to measure, the head is solved for on the texts that are labelled.

    Attributes:
        labelled: the data of the task.
        penalty: on the head's weights.
    """

    labelled: Data
    penalty: float

    def measured(
        self, model: PreTrainedModel, weights: torch.Tensor | None, batch_size: int
    ) -> tuple[float, Metrics, dict[str, Any]]:
        """The task's loss and metrics on validation, with a new head."""
        with given_to_top(model, self.labelled) as given:
            fit_top(model, self.labelled, given, self.penalty)
        return measure(model, self.labelled, weights, batch_size)


def contrastive(start: Start, data: Data, params: Params) -> Trainable:
    """The encoder with a head that is solved for, and the pairs that it learns from.

    Raises:
        ParamsError: the base reads forward alone. DataError: no label has two texts.
    """
    model = mean_model(start)
    if reads_forward(model.config):
        raise ParamsError(
            f"train.method: setfit: a {model.config.model_type} reads forward alone, so the mean of its tokens says "
            f"little of a text. The nearest method that works is lora."
        )
    first = list({item.example: item for item in reversed(data.train)}.values())[::-1]  # of a long text its beginning
    of_label = defaultdict(list)
    for place, item in enumerate(first):
        of_label[int(item.expected)].append(place)
    if not any(len(places) > 1 for places in of_label.values()):
        raise DataError("train.method: setfit: no label has two training texts. Add rows, or choose prompting.")
    model.head.requires_grad_(False)
    pairs = Pairs(data.task, first, dict(of_label), Seen(model))
    task: Any = pairs  # of which the loop asks no more than pairs have
    learnt = PairData(
        **{name: value for name, value in vars(data).items() if name not in ("task", "train", "weights")},
        task=task,
        train=first * params.pairs,
        weights=data.weights,
        labelled=data,
        penalty=params.penalty,
    )
    return Trainable(model, data=learnt)
