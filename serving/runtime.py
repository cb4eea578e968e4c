"""A model that answers: texts in, logits out, each text by itself.

Why no batches: an int8 model scales its activations by their range over the whole batch, so that the answer to a text
would depend on its neighbours and their padding. Each text is run alone and unpadded instead, several at once in
threads, which takes no longer than padded batches do. So a text has one answer, whatever it arrives with.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from serving.errors import BundleDamaged, BundleMissing, TextRefused
from serving.ordered import ordered_map
from serving.text import clean

_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are no UTF-8


@dataclass(frozen=True)
class Result:
    """The model's word on one text.

    Attributes:
        logits: float32, shape (outputs,) for one answer a text.
        truncated: the text has more tokens than the model takes; the last ones were not read.
    """

    logits: np.ndarray
    truncated: bool


def usable_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    """The tokenizer of a model, without padding, cutting at `max_tokens` as in training.

    Raises:
        BundleDamaged: it cannot be read.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise BundleDamaged(f"{path}: is no tokenizer that can be read: {error}") from None
    tokenizer.no_padding()
    direction = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.enable_truncation(max_length=max_tokens, strategy="longest_first", direction=direction)
    return tokenizer


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

    def __init__(self, model: Path, tokenizer: Path, max_tokens: int) -> None:
        """Load both.

        Raises:
            BundleMissing, BundleDamaged: a file cannot be loaded.
        """
        self._tokenizer = open_tokenizer(tokenizer, max_tokens)
        self._session = open_session(model)
        self._inputs = [given.name for given in self._session.get_inputs()]

    def encode(self, text: str, *pair: str) -> Encoding:
        """The tokens of one example, a text or a pair of texts, cleaned and cut.

        Raises:
            TextRefused: a text is not valid Unicode, or nothing is left of it after cleaning.
        """
        if any(_SURROGATE.search(given) for given in (text, *pair)):
            raise TextRefused("the text is not valid UTF-8")
        cleaned, *second = (clean(given) for given in (text, *pair))
        if not all((cleaned, *second)):
            raise TextRefused("the text is empty")
        return self._tokenizer.encode(cleaned, *second)  # type: ignore[arg-type]  # its stub takes the pair for a flag

    def run(self, *texts: str) -> Result:
        """Answer one example. Raises TextRefused as `encode` does."""
        encoding = self.encode(*texts)
        given = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
        given["token_type_ids"] = encoding.type_ids
        feed = {name: np.array([given[name]], dtype=np.int64) for name in self._inputs}
        logits = self._session.run(None, feed)[0][0]
        return Result(logits=logits, truncated=bool(encoding.overflowing))

    def run_all(self, examples: Iterable[tuple[str, ...]], at_a_time: int) -> Iterator[Result]:
        """Answer many examples, in their order, as soon as each is ready; `at_a_time` of them are under way at once."""
        return ordered_map(lambda texts: self.run(*texts), examples, usable_cores(), at_a_time)
