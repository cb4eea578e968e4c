"""Named entities: spans of a text, each of one type; they do not overlap.

A model tags the words of the text (IOB2), on the first piece of each; offsets are characters, the end excluded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from datasets import List, Value
from pydantic import Field

from serving.reading import Window
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Move, Prediction, Span, Task
from stages.tasks._entities import (
    IGNORED,
    Entity,
    entities_from,
    entities_of,
    entity_faults,
    expected_tags,
    line_of,
    tags_of,
)
from stages.tasks._params import Labels, TextParams
from stages.tasks._plain import PlainTexts

if TYPE_CHECKING:
    import torch

    from stages.shared.choices import Choices


class Params(TextParams):
    """The types of entities."""

    name: Literal["ner"]
    labels: Labels = Field(min_length=1)


def open_task(params: Params) -> Task:
    """The task of finding entities of these types."""
    return EntityTagging(params.name, params.labels, params.reading())


@dataclass(frozen=True)
class EntityTagging(PlainTexts):
    """Finding entities in a text.

    Attributes:
        name: of the task.
        labels: the types of entities.
        reading: how texts are read, as `serving.reading.Reader` wants to know it.
    """

    name: str
    labels: list[str]
    reading: dict[str, Any]
    texts: tuple[str, ...] = ("text",)
    head: Literal["token"] = "token"
    primary: str = "f1"

    @property
    def answers_are_texts(self) -> bool:
        """They are places and types."""
        return False

    @property
    def outputs(self) -> list[str]:
        """The tags."""
        return tags_of(self.labels)

    @property
    def declared(self) -> list[str]:
        """The types."""
        return self.labels

    @property
    def columns(self) -> dict[str, Any]:
        """The text and its entities."""
        entity = {"start": Value("int32"), "end": Value("int32"), "label": Value("string")}
        return {"text": Value("string"), "entities": List(entity)}

    @property
    def paraphrased(self) -> tuple[str, ...]:
        """None: nobody knows where the entities lie in a paraphrase."""
        return ()

    def answer(self, example: Example) -> str:
        """The entities, as `[[0, 5, "PER"]]`."""
        return line_of(entities_of(example["entities"]))

    def classes(self, example: Example) -> list[str]:
        """The types that occur."""
        return sorted({entity["label"] for entity in example["entities"]})

    def stratum(self, example: Example) -> str:
        """The types that occur."""
        return " ".join(self.classes(example))

    def fault(self, example: Example) -> str | None:
        """Every entity that is no span of the text, overlaps another or is of an unknown type, else None."""
        return entity_faults(example["text"], example["entities"], self.labels)

    def with_texts(self, example: Example, texts: tuple[str, ...], moves: Sequence[Move]) -> Example:
        """The same example with another text, to which its entities are moved."""
        (text,), (move,) = texts, moves
        old_end, new_end = len(example["text"]), len(text)

        def moved(position: int | None) -> int | None:  # what lies outside the text stays outside: `fault` names it
            if position is None or position < 0:
                return position
            return move(position) if position <= old_end else new_end + position - old_end

        entities = [{**one, "start": moved(one["start"]), "end": moved(one["end"])} for one in example["entities"]]
        return {**example, "text": text, "entities": entities}

    def fixed_spans(self, example: Example) -> tuple[list[Span], ...]:
        """The entities."""
        return ([(start, end) for start, end, _ in entities_of(example["entities"])],)

    def protected_words(self) -> frozenset[str]:
        """None: no word outside an entity says where it lies."""
        return frozenset()

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """The tags of each window, shape (tokens,)."""
        index = {tag: number for number, tag in enumerate(self.outputs)}
        return list(expected_tags(entities_of(example["entities"]), windows, index))

    def class_weights(self, examples: Sequence[Example]) -> torch.Tensor | None:
        """None: nearly all words are of no type, and to weigh them down finds entities everywhere."""
        return None

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of the words of a batch, a scalar in nats; logits are (batch, tokens, tags)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits.flatten(0, 1), batch["expected"].flatten(), ignore_index=IGNORED, reduction="sum")

    @property
    def averaged(self) -> Literal["softmax", "sigmoid"] | None:
        """Of the tags of each token."""
        return "softmax"

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The tag of each word of a batch."""
        from stages.shared.choices import Choices

        expected = batch["expected"].flatten()
        there = expected != IGNORED
        return Choices(logits.flatten(0, 1)[there], expected[there])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The words of a batch, a scalar; 1 where there are none, whose loss is 0."""
        return (batch["expected"] != IGNORED).sum().clamp(min=1)

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task."""
        return {"task": self.name, "answers": "spans", "inputs": ["text"], "tags": self.outputs, **self.reading}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Precision, recall and F1 of the entities with exact span and type, micro, and the mean F1 of the types."""
        from stages.tasks._entity_scores import entity_metrics

        return entity_metrics(self._expected(examples), self._predicted(predicted), self.labels)

    def class_scores(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """The F1 of each type."""
        from stages.tasks._entity_scores import scores_of_types

        scores = scores_of_types(self._expected(examples), self._predicted(predicted), self.labels)
        return {label: score.f1 for label, score in scores.items()}

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """The F1 of the example's entities; 1 when there are none and none were found."""
        expected, found = set(entities_of(example["entities"])), set(entities_from(prediction["answer"]))
        return 2 * len(expected & found) / (len(expected) + len(found)) if expected or found else 1.0

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The metrics and the F1 of each type, of each model, in resamples of the rows that are the same for all."""
        from stages.tasks._entity_scores import entity_counts
        from stages.tasks._resampled_counts import resampled_figures

        expected = self._expected(examples)
        counts = [entity_counts(expected, self._predicted(predicted), self.labels) for predicted in models]
        return [resampled_figures(one, self.labels, samples, seed) for one in counts]

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What the entities of train, looked up in the texts of test, give; it has no settings to choose."""
        from stages.tasks._entity_baseline import known_entities, look_up

        known = known_entities([(row["text"], entities_of(row["entities"])) for row in splits["train"]])
        found = [line_of(look_up(row["text"], known)) for row in splits["test"]]
        name = "the longest match of what train names, with its most frequent type"
        return [{"answer": line, "confidence": None, "said": {}} for line in found], name

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write labels.csv; give it and the kinds of error, by type."""
        from stages.tasks._entity_scores import entity_report

        return entity_report(out, self._expected(examples), self._predicted(predicted), self.labels)

    def _expected(self, examples: Sequence[Example]) -> list[list[Entity]]:
        return [entities_of(example["entities"]) for example in examples]

    def _predicted(self, predicted: Sequence[Prediction]) -> list[list[Entity]]:
        return [entities_from(prediction["answer"]) for prediction in predicted]
