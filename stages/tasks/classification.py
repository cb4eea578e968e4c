"""Labels for one text: sentiment, intent, topic; one label each, or several."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.tasks import Task
from stages.tasks._labels import SingleLabel
from stages.tasks._params import Labels, TextParams


class Params(TextParams):
    """The labels, in the order of the model's outputs, and whether a text may have several of them, or none."""

    name: Literal["classification"]
    labels: Labels = Field(min_length=2)
    multi_label: bool


def open_task(params: Params) -> Task:
    """The task of one label a text, or of several."""
    if params.multi_label:
        from stages.tasks._multi_label import MultiLabel

        return MultiLabel(params.name, params.labels, params.reading())
    return SingleLabel(params.name, params.labels, params.reading())
