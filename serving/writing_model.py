"""A model that writes text, by CTranslate2: an encoder-decoder, or a decoder that continues what it is given.

Each text is written by itself, so that it does not depend on what else is asked; several at once in threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer

from serving.errors import BundleMissing
from serving.reading import Fed, Window

Kind = Literal["seq2seq", "causal_lm"]


def _open(path: Path, kind: Kind, threads: int) -> Any:
    try:
        import ctranslate2
    except ImportError:
        raise BundleMissing(
            f"{path}: is a CTranslate2 model, and ctranslate2 is not installed. Install the version that "
            f"constraints.txt names."
        ) from None
    opened = ctranslate2.Translator if kind == "seq2seq" else ctranslate2.Generator
    try:
        return opened(str(path), device="cpu", inter_threads=threads, intra_threads=1)
    except (RuntimeError, ValueError) as error:
        raise BundleMissing(f"{path}: ctranslate2 {ctranslate2.__version__} cannot load it: {error}") from None


class WritingModel:
    """A model that writes, greedily or by beam search.

    Args:
        path: the folder of a CTranslate2 model, whose vocabulary is that of the tokenizer.
        tokenizer: from ids to the names of tokens, which CTranslate2 is given, and back.
        writes: of the settings: {"kind", "beams", "max_new_tokens", "length_penalty", "no_repeat_ngram"}, and the ids
            of the tokens that end a text, "ends", and that are never written, "never".
        threads: texts that are written at once.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer, writes: Mapping[str, Any], threads: int) -> None:
        self._kind: Kind = writes["kind"]
        self._model = _open(path, self._kind, threads)
        self._tokenizer, self._writes = tokenizer, writes
        self._options: dict[str, Any] = {
            "beam_size": writes["beams"],
            "length_penalty": writes["length_penalty"],
            "no_repeat_ngram_size": writes["no_repeat_ngram"],
            "suppress_sequences": [[token] for token in self._named(writes["never"])] or None,
        }

    def run(self, window: Fed) -> np.ndarray:
        """The ids of the tokens that are written after a window, without the one that ends them, int64 (tokens,)."""
        given, writes = [self._named(window.feed()["input_ids"])], self._writes
        longest = writes["max_new_tokens"]
        if self._kind == "seq2seq":
            (written,) = self._model.translate_batch(
                given, max_decoding_length=longest, end_token=writes["ends"], **self._options
            )
            return self._ids(written.hypotheses[0])
        (written,) = self._model.generate_batch(
            given,
            max_length=longest,
            include_prompt_in_result=False,
            end_token=writes["ends"],
            **self._options,
        )
        return np.array(written.sequences_ids[0], np.int64)

    def stream(self, window: Window) -> Iterator[int]:
        """The same ids one by one, each as soon as it is written; by one beam alone."""
        given, longest = self._named(window.ids), self._writes["max_new_tokens"]
        options = {name: value for name, value in self._options.items() if name not in ("beam_size", "length_penalty")}
        length = "max_decoding_length" if self._kind == "seq2seq" else "max_length"
        for step in self._model.generate_tokens(given, **{length: longest}, **options):
            if not step.is_last or step.token_id not in self._writes["ends"]:
                yield int(step.token_id)

    def log_probabilities(self, ids: Sequence[int]) -> np.ndarray:
        """Of a decoder: log probabilities (tokens, words) of what comes after each token of a row."""
        import ctranslate2

        found = self._model.forward_batch([self._named(ids)], return_log_probs=True)
        return np.asarray(np.array(found.to(ctranslate2.DataType.float32))[0])

    def target_log_probabilities(self, window: Window, target: Sequence[int]) -> np.ndarray:
        """Of an encoder-decoder: the log probability of each token of a target, which is ended, and of its end."""
        (scored,) = self._model.score_batch([self._named(window.ids)], [self._named(target)])
        return np.array(scored.log_probs, np.float32)

    def _named(self, ids: Iterable[int]) -> list[str]:
        return [str(self._tokenizer.id_to_token(int(number))) for number in ids]

    def _ids(self, tokens: Sequence[str]) -> np.ndarray:
        return np.array([self._tokenizer.token_to_id(token) for token in tokens], np.int64)
