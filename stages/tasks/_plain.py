"""What most tasks on texts have in common: nothing to move, fix, mark, tune or gather."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from serving.reading import Reader, Window
from stages.shared.examples import Example
from stages.shared.outcome import Metrics
from stages.tasks import Batch, Move, Prediction, Run, Span

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from serving.runtime import Runtime
    from stages.shared.base_model import BaseModel
    from stages.shared.items import Item, Output

_PROTECTED = """
    no not nor never none nobody nothing nowhere neither cannot without hardly barely scarcely rarely seldom lack lacks
    n't don't doesn't didn't isn't aren't wasn't weren't won't wouldn't can't couldn't shouldn't hasn't haven't hadn't
    dont doesnt didnt isnt arent wasnt werent wont wouldnt cant couldnt shouldnt hasnt havent hadnt ain't aint
    but however although though yet except despite unless instead only just too enough almost even still
    more most less least few fewer little much many very better best worse worst good bad
    could should would might must may if
"""


class PlainTexts:
    """The parts of a task whose examples are texts without spans."""

    medium: Literal["text", "picture"] = "text"
    texts: tuple[str, ...]
    reading: dict[str, Any]
    marks: list[str] = []  # noqa: RUF012  # never changed

    @property
    def answers_are_texts(self) -> bool:
        """They may be."""
        return True

    @property
    def asked(self) -> tuple[str, ...]:
        """All texts."""
        return self.texts

    @property
    def together(self) -> tuple[str, ...]:
        """All texts."""
        return self.texts

    @property
    def paraphrased(self) -> tuple[str, ...]:
        """All texts."""
        return self.texts

    def opened(self, values: dict[str, Any], folder: Path, watched: Path) -> dict[str, Any]:
        """The values as they are."""
        return values

    def require_fit(self, base: BaseModel) -> None:
        """Raise ParamsError where texts may be longer than the base can read."""
        from stages.shared.base_model import require_length

        require_length(base, self.reading["max_tokens"])

    def open_tokenizer(self, folder: Path) -> Any:
        """The tokenizer in the folder, with the marks in its vocabulary."""
        from stages.shared.base_model import tokenizer_of

        return tokenizer_of(folder, self.marks)

    def open_reader(self, tokenizer: Any, settings: Mapping[str, Any]) -> Reader:
        """The reader of texts by that tokenizer."""
        from stages.shared.items import reader_of

        return reader_of(tokenizer, settings)

    def with_texts(self, example: Example, texts: tuple[str, ...], moves: Sequence[Move]) -> Example:
        """The same example with other texts."""
        return {**example, **dict(zip(self.texts, texts, strict=True))}

    def fixed_spans(self, example: Example) -> tuple[list[Span], ...]:
        """None."""
        return tuple([] for _ in self.texts)

    def protected_words(self) -> frozenset[str]:
        """Negations, contrasts, degrees and plain judgements: to swap one may turn the answer round."""
        return frozenset(_PROTECTED.split())

    def shown(self, example: Example) -> list[tuple[str, ...]]:
        """The texts, together."""
        return [tuple(example[name] for name in self.texts)]

    def items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """An item for each window of a text or pair, or for texts that belong together."""
        from stages.shared.items import items_of

        return items_of(self, reader, examples)

    def training_items(self, reader: Reader, examples: Sequence[Example]) -> list[Item]:
        """The same."""
        return self.items(reader, examples)

    def read_by(self, reader: Reader) -> Any:
        """The task as it is."""
        return self

    def question(self, example: Example) -> tuple[str, ...]:
        """The texts that are asked."""
        return tuple(example[name] for name in self.asked)

    def counted(self, reader: Reader, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples as they are."""
        return examples

    def renewed(self, item: Item, random: np.random.Generator) -> Item:
        """The item as it is."""
        return item

    def batch(self, items: Sequence[Item], padding: int) -> Batch:
        """The rows of the items, padded to the longest."""
        from stages.shared.items import collate

        return collate(items, padding)

    def kept(self, output: Output, item: Item) -> Output:
        """All of it."""
        return output

    def answered(self, runtime: Runtime, item: Item) -> Output:
        """What the model says of the rows of the item."""
        rows = [runtime.run(row) for row in item.rows]
        return self.kept(rows if len(rows) > 1 else rows[0], item)

    def base_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """None."""
        return {}

    @property
    def limits(self) -> tuple[int, ...]:
        """The tokens of a window."""
        return (int(self.reading["max_tokens"]),)

    def expected(self, example: Example, windows: Sequence[Window]) -> list[Any]:
        """What the loss expects of each window; every task that learns says it."""
        raise NotImplementedError

    @property
    def averaged(self) -> Literal["softmax", "sigmoid"] | None:
        """None."""
        return None

    def tune(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def gather(self, examples: Sequence[Example], run: Run) -> dict[str, Any]:
        """Nothing."""
        return {}

    def agrees(self, one: Prediction, other: Prediction) -> bool:
        """Whether the answers are the same."""
        return bool(one["answer"] == other["answer"])


class WithoutClasses(PlainTexts):
    """The parts of a task that answers with no class out of a fixed set."""

    @property
    def outputs(self) -> list[str]:
        """None by name: the words are the tokenizer's, or there are none."""
        return []

    @property
    def declared(self) -> list[str]:
        """None."""
        return []

    def classes(self, example: Example) -> list[str]:
        """None."""
        return []

    def stratum(self, example: Example) -> str:
        """All are of one kind."""
        return ""

    def fault(self, example: Example) -> str | None:
        """None: any text may be expected."""
        return None

    def class_weights(self, examples: Sequence[Example]) -> torch.Tensor | None:
        """None: there are no classes."""
        return None

    def class_scores(self, examples: Sequence[Example], predicted: Sequence[Prediction]) -> Metrics:
        """None."""
        return {}
