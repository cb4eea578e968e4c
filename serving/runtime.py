"""A model that answers: texts in, logits out, each row of tokens by itself.

Why no batches: an int8 model scales its activations by their range over the whole batch, so that the answer to a text
would depend on its neighbours and their padding. Each row is run alone and unpadded instead, several at once in
threads, which takes no longer than padded batches do. So a text has one answer, whatever it arrives with.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer

from serving.errors import BundleDamaged, TextRefused
from serving.onnx_model import OnnxModel
from serving.ordered import ordered_map
from serving.reading import Reader, Reading, Window
from serving.text import CleanText
from serving.writing_model import WritingModel

_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are no UTF-8


def usable_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a model.

    Raises:
        BundleDamaged: it cannot be read.
    """
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise BundleDamaged(f"{path}: is no tokenizer that can be read: {error}") from None


class Model(Protocol):
    """What answers, given a row of tokens."""

    def run(self, window: Window) -> np.ndarray:
        """What the model says of one window, or the ids of what it writes after it."""
        ...


def open_model(path: Path, tokenizer: Tokenizer, settings: Mapping[str, Any]) -> Model:
    """The model at a path: one that writes where the settings say how, else one that answers in one pass.

    Raises:
        BundleMissing: it cannot be loaded on this machine.
    """
    if "writes" in settings:
        return WritingModel(path, tokenizer, settings["writes"], usable_cores())
    return OnnxModel(path)


class Runtime:
    """One model with its tokenizer, ready to answer from any thread."""

    def __init__(self, model: Path, tokenizer: Path, settings: Mapping[str, Any]) -> None:
        """Load both; the settings say how texts are read, as `serving.reading.Reader` wants to know it.

        Raises:
            BundleMissing, BundleDamaged: a file cannot be loaded.
        """
        self.reader = Reader(open_tokenizer(tokenizer), settings)
        self.model = open_model(model, self.reader.tokenizer, settings)

    def read(self, texts: tuple[str, ...]) -> tuple[Reading, tuple[CleanText, ...]]:
        """The tokens of one example, a text or a pair of texts, and the texts, cleaned.

        Raises:
            TextRefused: a text is not valid Unicode, or nothing is left of it after cleaning.
        """
        if any(_SURROGATE.search(given) for given in texts):
            raise TextRefused("the text is not valid UTF-8")
        cleaned = tuple(CleanText(given) for given in texts)
        if not all(one.text for one in cleaned):
            raise TextRefused("the text is empty")
        return self.reader.read(tuple(one.text for one in cleaned)), cleaned

    def run(self, window: Window) -> np.ndarray:
        """What the model says of one window, float32 of shape (outputs,), (tokens, outputs) or (hidden,).

        Of a model that writes, the ids of what it writes, int64 of shape (tokens,).
        """
        return self.model.run(window)

    def stream(self, window: Window) -> Iterator[int]:
        """The ids that a model writes after a window, each as soon as it is there.

        Raises:
            TypeError: the model does not write.
        """
        if not isinstance(self.model, WritingModel):
            raise TypeError(f"a {type(self.model).__name__} writes no text")
        return self.model.stream(window)

    def run_all(self, windows: Iterable[Window], at_a_time: int) -> Iterator[np.ndarray]:
        """What it says of many windows, in their order, as soon as each is ready; `at_a_time` are under way at once."""
        return ordered_map(self.run, windows, usable_cores(), at_a_time)
