"""Find hidden words from those on both sides, in texts without labels.

The words that are hidden in a row of validation and test hang on its id; in training they are others each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from datasets import Value
from pydantic import Field

from serving.answers import fill
from serving.reading import Reader, Window
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.shared.sections import Fraction
from stages.tasks import Batch, Prediction, Task
from stages.tasks._hidden_words import Hidden, hidden_in
from stages.tasks._params import TextParams
from stages.tasks._plain import WithoutClasses

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from stages.shared.choices import Choices
    from stages.shared.items import Item, Output
    from stages.shared.masking import Masking

MASKS = ("[MASK]", "<mask>")  # as tokenizers have it; a text that holds one would ask for what nobody knows


class Params(TextParams):
    """How much is hidden.

    Attributes:
        long_texts: of a longer text the head is measured; training reads all of it.
        masked_share: fraction of the tokens that are to be found.
        whole_words: all tokens of a word are hidden together.
    """

    name: Literal["masked_lm"]
    long_texts: Literal["head"]
    head: None
    masked_share: Fraction = Field(gt=0, lt=1)
    whole_words: bool


def open_task(params: Params) -> Task:
    """The task of finding hidden words."""
    return HiddenWords(params.name, params.reading(), params.masked_share, params.whole_words)


@dataclass(frozen=True)
class HiddenWords(WithoutClasses):
    """Finding hidden words.

    Attributes:
        name: of the task.
        reading: how texts are read, as `serving.reading.Reader` wants to know it.
        masked_share, whole_words: see Params.
        reader: that tells the words, once there is one.
        masking: how tokens of this reader are hidden.
    """

    name: str
    reading: dict[str, Any]
    masked_share: float
    whole_words: bool
    reader: Reader | None = None
    masking: Masking | None = None
    texts: tuple[str, ...] = ("text",)
    head: Literal["masked_lm"] = "masked_lm"
    primary: str = "accuracy"

    @property
    def columns(self) -> dict[str, Any]:
        """The text."""
        return {"text": Value("string")}

    def read_by(self, reader: Reader) -> HiddenWords:
        """The task with the words of this reader."""
        from stages.shared.masking import masking_of

        masking = masking_of(reader.tokenizer, reader.settings["mask"], self.masked_share, self.whole_words)
        return replace(self, reader=reader, masking=masking)

    def answer(self, example: Example) -> str:
        """The hidden tokens, as a list, once there is a reader; equal texts expect the same."""
        if self.reader is None:
            return ""
        ids = self._hidden([example])[0].ids
        return json.dumps([fill.spelt(number, self.reader.tokenizer) for number in ids], ensure_ascii=False)

    def fault(self, example: Example) -> str | None:
        """That a mask stands in the text itself."""
        found = [mask for mask in MASKS if mask in example["text"]]
        return f"holds {found[0]}, which stands for a hidden word" if found else None

    def question(self, example: Example) -> tuple[str, ...]:
        """The text with its hidden words as masks; as it is where there is no reader yet."""
        return (example["text"],) if self.reader is None else (self._hidden([example])[0].text,)

    def items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """The head of each text, with the hidden words of its row as masks."""
        from stages.shared.items import IGNORED, Item

        task = self if self.reader is not None else self.read_by(reader)
        hidden = task._hidden(examples)
        items = []
        for position, (one, reading) in enumerate(
            zip(hidden, reader.read_all([(one.text,) for one in hidden]), strict=True)
        ):
            window = reading.windows[0]
            places = fill.masks_of(window, self._settings(reader))
            expected = np.full(len(window.ids), IGNORED, np.int64)
            expected[places] = one.ids[: len(places)]
            items.append(Item(position, (window,), expected))
        return items

    def training_items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """All of each text, in windows, as yet with nothing hidden."""
        from stages.shared.items import IGNORED, Item

        whole = Reader(reader.tokenizer, {**reader.settings, "long_texts": "windows", "overlap": 0})
        readings = whole.read_all([(example["text"],) for example in examples])
        return [
            Item(position, (window,), np.full(len(window.ids), IGNORED, np.int64))
            for position, reading in enumerate(readings)
            for window in reading.windows
        ]

    def renewed(self, item: Item, random: np.random.Generator) -> Item:
        """The row with other tokens hidden."""
        from stages.shared.masking import expected_at

        assert self.masking is not None
        ids, window = np.array(item.rows[0].ids), item.rows[0]
        places = self.masking.choose(window.word_of, random)
        shown = self.masking.hide(ids, places, random).tolist()
        row = Window(shown, window.type_ids, window.places)
        return replace(item, rows=(row,), expected=expected_at(ids, places))

    def kept(self, output: Output, item: Item) -> Output:
        """What a server keeps; then the log probability of what is expected, its tokens, those held likeliest."""
        from stages.tasks._hidden_words import scores_at

        assert self.reader is not None
        served = fill.kept(np.asarray(output), item.rows[0], self._settings(self.reader))
        return [served, scores_at(np.asarray(output), item.expected)]

    def loss_sum(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The summed cross entropy of the hidden tokens, in nats; logits are (batch, tokens, words)."""
        from torch.nn.functional import cross_entropy

        from stages.shared.items import IGNORED

        expected = batch["expected"].flatten()
        there = expected != IGNORED
        return cross_entropy(logits.flatten(0, 1)[there].float(), expected[there], reduction="sum")

    def choices(self, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> Choices:
        """The word of each hidden token of a batch."""
        from stages.shared.choices import Choices
        from stages.shared.items import IGNORED

        expected = batch["expected"].flatten()
        there = expected != IGNORED
        return Choices(logits.flatten(0, 1)[there], expected[there])

    def loss_weight(self, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """The hidden tokens, a scalar; 1 where there are none, whose loss is 0."""
        from stages.shared.items import IGNORED

        return (batch["expected"] != IGNORED).sum().clamp(min=1)

    def settings(self) -> dict[str, Any]:
        """What the server needs to know of the task."""
        return {"task": self.name, "answers": "fill", "inputs": ["text"], **self.reading}

    def base_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """The word that stands for a hidden one. Raises ParamsError where there is none."""
        from stages.shared.masking import masking_for

        masking_for(tokenizer, self.masked_share, self.whole_words)
        return {"mask": str(tokenizer.mask_token)}

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """Loss in nats a hidden token, perplexity, and accuracy."""
        from stages.tasks._token_scores import scores_of, token_figures

        return {
            name: float(value) for name, value in token_figures(scores_of(predicted).sum(axis=0), "accuracy").items()
        }

    def rightness(self, example: Example, prediction: Prediction) -> float:
        """The share of the hidden tokens that were found; 1 where none is hidden."""
        _, tokens, right = prediction["scores"]
        return float(right / tokens) if tokens else 1.0

    def resample(
        self, examples: Sequence[Example], models: Sequence[Sequence[Prediction]], samples: int, seed: int
    ) -> list[dict[str, np.ndarray]]:
        """The metrics of each model in resamples of the rows, the same for all."""
        from stages.shared.bootstrap import resampled_sums
        from stages.tasks._token_scores import scores_of, token_figures

        return [token_figures(resampled_sums(scores_of(predicted), samples, seed), "accuracy") for predicted in models]

    def counted(self, reader: Reader, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples with the tokens of their whole text, of what is asked, and what is expected there."""
        words = reader.tokenizer.get_vocab_size()
        asked = self.items(reader, examples)
        whole = reader.read_all([(example["text"],) for example in examples])
        return [
            {
                **example,
                "words": words,
                "ids": reading.windows[0].ids,
                "shown": item.rows[0].ids,
                "expected": item.expected,
            }
            for example, item, reading in zip(examples, asked, whole, strict=True)
        ]

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What the tokens on both sides say by counts of pairs; how far they are trusted is chosen on validation."""
        from stages.tasks._hidden_baseline import found_by_counts

        return found_by_counts(splits)

    def report(self, out: Path, examples: Sequence[Example], predicted: Sequence[Prediction]) -> str:
        """Write plots/frequency.csv: the accuracy by how often the hidden token is hidden in the split; give it."""
        from stages.tasks._hidden_words import frequency_report

        expected = [json.loads(self.answer(example) or "[]") for example in examples]
        return frequency_report(out, expected, [json.loads(one["answer"]) for one in predicted])

    def _settings(self, reader: Reader) -> dict[str, Any]:
        return {"tokenizer": reader.tokenizer, "mask": reader.settings["mask"]}

    def _hidden(self, examples: Sequence[Example]) -> list[Hidden]:
        """What is hidden in each row: the same for the same id and text."""
        assert self.reader is not None and self.masking is not None
        readings = self.reader.read_all([(example["text"],) for example in examples])
        mask, found = self.reader.settings["mask"], []
        for example, reading in zip(examples, readings, strict=True):
            seed = int.from_bytes(blake2b(example["id"].encode(), digest_size=8).digest(), "big")
            places = self.masking.choose(reading.windows[0].word_of, np.random.default_rng(seed))
            found.append(hidden_in(example["text"], reading.windows[0], places, mask))
        return found
