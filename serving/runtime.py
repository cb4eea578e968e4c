"""A model that answers: texts in, logits out, each row of tokens by itself.

Why no batches: an int8 model scales its activations by their range over the whole batch, so that the answer to a text
would depend on its neighbours and their padding. Each row is run alone and unpadded instead, several at once in
threads, which takes no longer than padded batches do. So a text has one answer, whatever it arrives with.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from serving.errors import BundleDamaged, BundleMissing, TextRefused
from serving.ordered import ordered_map
from serving.pictures import PictureReader
from serving.reading import Fed, Reader, Reading, Window
from serving.text import CleanText

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


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """The model on the CPU, one thread for one text: the same bits whatever runs beside it.

    Raises:
        BundleMissing: onnxruntime cannot load it on this machine.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen kinds, none of them for the user
        raise BundleMissing(
            f"{path}: onnxruntime {onnxruntime.__version__} cannot load it: {error}. Install the version that "
            f"constraints.txt names."
        ) from None


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
        self._reader = Reader(open_tokenizer(tokenizer), settings) if pictures is None else PictureReader(pictures)
        self._session = open_session(model)
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._output = self._session.get_outputs()[0].name

    def read(self, texts: tuple[str | bytes, ...]) -> tuple[Reading, tuple[CleanText, ...]]:
        """The tokens of one example, a text or a pair of texts, and the texts, cleaned; or the pixels of a picture.

        Args:
            texts: a text or two; of a picture its path, or its bytes.

        Raises:
            TextRefused: a text is not valid Unicode, or nothing is left of it after cleaning; a picture cannot be read.
        """
        if any(isinstance(given, str) and _SURROGATE.search(given) for given in texts):
            raise TextRefused("the text is not valid UTF-8")
        if isinstance(self._reader, PictureReader):
            pixels = self._reader.read(texts[0])
            return Reading([cast(Window, pixels)], pixels.cut), ()  # nothing that answers asks for places in a picture
        cleaned = tuple(CleanText(given) for given in cast(tuple[str, ...], texts))
        if not all(one.text for one in cleaned):
            raise TextRefused("the text is empty")
        return self._reader.read(tuple(one.text for one in cleaned)), cleaned

    def run(self, window: Fed) -> np.ndarray:
        """What the model says of one window, float32 of shape (outputs,), (tokens, outputs) or (hidden,)."""
        given = window.feed()
        feed = {name: given[name][None] for name in self._inputs}
        return np.asarray(self._session.run([self._output], feed)[0][0])

    def run_all(self, windows: Iterable[Fed], at_a_time: int) -> Iterator[np.ndarray]:
        """What it says of many windows, in their order, as soon as each is ready; `at_a_time` are under way at once."""
        return ordered_map(self.run, windows, usable_cores(), at_a_time)
