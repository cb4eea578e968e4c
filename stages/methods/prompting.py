"""Zero- and few-shot: the base is asked for the label, and no weight changes.

By `descriptions` of the labels, a sentence encoder finds the one nearest to the text. By label words in a template, a
language model says which of them is likeliest: a masked one at the mask, a causal one after the end. Training examples
may be shown: they move a label's vector, or stand before the text in the same template.

Source: Yin et al. 2019, Benchmarking zero-shot text classification, arXiv:1909.00161 (labels by their descriptions);
Snell et al. 2017, Prototypical networks, arXiv:1703.05175 (the mean of the examples shown); Schick and Schuetze 2021,
PET, arXiv:2001.07676 (label words at a mask); Brown et al. 2020, arXiv:2005.14165 (examples shown before the text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from stages.methods import Start, Trainable
from stages.methods._nearest import nearest_to_few_shot
from stages.shared.errors import ParamsError
from stages.shared.plugins import nearest
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.shared.fitting import Data, Plan

KEEPS_HEAD = False
LEARNS = "nothing"
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
NEEDED = {  # by each way, first what is given for each label
    "descriptions": ("descriptions", "temperature"),
    "masked_lm": ("words", "template"),
    "causal_lm": ("words", "template"),
}


class Params(Choice):
    """How the base is asked. Of what follows `shown_examples` each way reads its own, and the rest may be null.

    Attributes:
        by: what finds the label.
        shown_examples: training examples of each label that are shown, chosen by the seed.
        descriptions: of each label, in one or more texts.
        temperature: what the cosines to them are divided by: the smaller, the surer the answers.
        template: what is read, as "{examples}{text} It was [MASK]." (masked), "{examples}{text} Topic: " (causal).
        words: of each label, what stands in its place in the template.
    """

    name: Literal["prompting"]
    by: Literal["descriptions", "masked_lm", "causal_lm"]
    shown_examples: int = Field(ge=0)
    descriptions: dict[str, Annotated[list[Text], Field(min_length=1)]] | None
    temperature: float | None = Field(gt=0)
    template: str | None
    words: dict[str, Text] | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [key for key in NEEDED[self.by] if getattr(self, key) is None]
        if missing:
            raise ValueError(f"{' and '.join(missing)}: must be given where by is {self.by}")
        if self.template is not None and self.by != "descriptions":
            from stages.methods._template import template_faults

            faults = template_faults(self.template, masked=self.by == "masked_lm", shows=self.shown_examples > 0)
            if faults:
                raise ValueError(f"template: '{self.template}': {'; '.join(faults)}")
        return self

    @property
    def per_label(self) -> dict[str, Any]:
        """What is given for each label: its descriptions, or its word."""
        given: dict[str, Any] = getattr(self, NEEDED[self.by][0])
        return given


def check(task: Any, params: Params) -> None:
    """Raise ParamsError where the task is not one label on one text, or a label is without its description or word."""
    settings = task.settings()
    if settings["answers"] != "label" or settings["inputs"] != ["text"] or task.marks:
        raise ParamsError(
            f"train.method: prompting: it is for tasks of one label on one plain text, as classification with "
            f"multi_label: false; the task '{settings['task']}' is another. The nearest method that works is "
            f"{nearest_to_few_shot(task)}."
        )
    labels, given = settings["labels"], params.per_label
    key = f"train.method.{NEEDED[params.by][0]}"
    faults = [f"{key}: the label '{label}' has none." for label in labels if label not in given]
    faults += [
        f"{key}: '{label}' is not in task.labels [{', '.join(labels)}].{nearest(label, labels)}"
        for label in given
        if label not in labels
    ]
    if faults:
        raise ParamsError("\n".join(faults))


def settings(start: Start, params: Params) -> dict[str, Any]:
    """The template around the text, where there is one.

    Raises:
        ParamsError: the base's tokenizer does not fit the template, or too little room is left for the text.
    """
    if params.by == "descriptions":
        return {}
    from stages.methods._label_words import frame_of

    return {"template": frame_of(start, params)}


def prepare(start: Start, data: Data, plan: Plan, params: Params) -> Trainable:
    """The base asked in the chosen way; none of its weights trains.

    Raises:
        ParamsError: the base or its tokenizer cannot be asked so, or there are too few examples to show.
    """
    if params.by == "descriptions":
        from stages.methods._label_vectors import model_by_descriptions

        return Trainable(model_by_descriptions(start, params).requires_grad_(False))
    from stages.methods._label_words import model_by_words

    return Trainable(model_by_words(start, params).requires_grad_(False))


def finish(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is."""
    return model
