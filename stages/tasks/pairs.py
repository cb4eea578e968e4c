"""Two texts: a label of the pair (paraphrase, entailment, click on an item after a history) or a score (similarity)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.shared.sections import Section
from stages.tasks import Task
from stages.tasks._pair_label import PairLabel
from stages.tasks._pair_score import PairScore
from stages.tasks._params import Labels, TextParams


class Range(Section):
    """The lowest and the highest score that there is, in the data's own unit."""

    min: float
    max: float

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"min: {self.min:g} is not below max, {self.max:g}")
        return self


class Params(TextParams):
    """What pairs are answered with, and whether it is the same whichever of the two texts comes first.

    Attributes:
        labels: of the pairs, in the order of the model's outputs; null where they have a score.
        score: the range of the scores; null where they have a label.
        both_orders: each pair is learnt from and read once in each order, and the two results pooled.
    """

    name: Literal["pairs"]
    labels: Labels | None = Field(min_length=2)
    score: Range | None
    both_orders: bool

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.labels is None) == (self.score is None):
            given = "both are" if self.labels is not None else "neither is"
            raise ValueError(f"labels, score: {given} given; give one, and null for the other")
        return self


def open_task(params: Params) -> Task:
    """The task of one label, or of a score, for two texts."""
    reading = params.reading() | {"both_orders": params.both_orders}
    if params.labels is not None:
        return PairLabel(params.name, params.labels, reading)
    assert params.score is not None
    return PairScore(params.name, params.score.min, params.score.max, reading)
