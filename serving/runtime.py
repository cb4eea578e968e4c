"""A model that answers: texts in, logits out, each row of tokens by itself.

Why no batches: an int8 model scales its activations by their range over the whole batch, so that the answer to a text
would depend on its neighbours and their padding. Each row is run alone and unpadded instead, several at once in
threads, which takes no longer than padded batches do. So a text has one answer, whatever it arrives with.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from tokenizers import Tokenizer

from serving.errors import BundleDamaged, TextRefused
from serving.onnx_model import OnnxModel
from serving.ordered import ordered_map
from serving.pictures import PictureReader
from serving.reading import Fed, Reader, Reading, Window
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
    """What answers, given a row of tokens or a picture."""

    def run(self, window: Fed) -> np.ndarray:
        """What the model says of it, or the ids of what it writes after it."""
        ...


def open_model(path: Path, tokenizer: Tokenizer | None, settings: Mapping[str, Any]) -> Model:
    """The model at a path: one that writes where the settings say how, else one that answers in one pass.

    Raises:
        BundleMissing: it cannot be loaded on this machine.
    """
    if "writes" in settings and tokenizer is not None:
        return WritingModel(path, tokenizer, settings["writes"], usable_cores())
    return OnnxModel(path)


class Runtime:
    """One model with its tokenizer, ready to answer from any thread."""

    def __init__(self, model: Path, tokenizer: Path, settings: Mapping[str, Any]) -> None:
        """Load both; the settings say how texts are read, as `serving.reading.Reader` wants to know it.

        Where they have `pictures`, those are read, as `serving.pictures.PictureReader` wants to know it, and there is
        no tokenizer.

        Raises:
            BundleMissing, BundleDamaged: a file cannot be loaded.
        """
        pictures = settings.get("pictures")
        self.reader = Reader(open_tokenizer(tokenizer), settings) if pictures is None else PictureReader(pictures)
        self.model = open_model(model, self.reader.tokenizer, settings)

    def read(self, texts: tuple[str | bytes, ...]) -> tuple[Reading, tuple[CleanText, ...]]:
        """The tokens of one example, a text or a pair of texts, and the texts, cleaned; or the pixels of a picture.

        Args:
            texts: a text or two; of a picture its path, or its bytes.

        Raises:
            TextRefused: a text is not valid Unicode, or nothing is left of it after cleaning; a picture cannot be read.
        """
        if any(isinstance(given, str) and _SURROGATE.search(given) for given in texts):
            raise TextRefused("the text is not valid UTF-8")
        if isinstance(self.reader, PictureReader):
            pixels = self.reader.read(texts[0])
            return Reading([cast(Window, pixels)], pixels.cut), ()  # nothing that answers asks for places in a picture
        cleaned = tuple(CleanText(given) for given in cast(tuple[str, ...], texts))
        if not all(one.text for one in cleaned):
            raise TextRefused("the text is empty")
        return self.reader.read(tuple(one.text for one in cleaned)), cleaned

    def run(self, window: Fed) -> np.ndarray:
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

    def run_all(self, windows: Iterable[Fed], at_a_time: int) -> Iterator[np.ndarray]:
        """What it says of many windows, in their order, as soon as each is ready; `at_a_time` are under way at once."""
        return ordered_map(self.run, windows, usable_cores(), at_a_time)
