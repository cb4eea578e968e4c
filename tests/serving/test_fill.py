"""Filling masks: what is kept, what is answered, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from serving.answers import answers_for, fill
from serving.errors import BundleDamaged, TextRefused
from serving.reading import Reader
from serving.text import CleanText
from stages.shared.base_model import tokenizer_of

READING = {"max_tokens": 32, "long_texts": "head", "overlap": 0, "mask": "[MASK]", "answers": "fill"}


@pytest.fixture(scope="module")
def reader(tiny_base: Path) -> Reader:
    return Reader(tokenizer_of(tiny_base).backend_tokenizer, READING)


def certain(reader: Reader, text: str, words: list[str]) -> tuple[np.ndarray, list[int]]:
    """Logits that are sure of these words at the masks of a text."""
    (window,) = reader.read((CleanText(text).text,)).windows
    logits = np.zeros((len(window.ids), reader.tokenizer.get_vocab_size()), np.float32)
    ids = [reader.tokenizer.token_to_id(word) for word in words]
    for place, number in zip(fill.masks_of(window, {**READING, "tokenizer": reader.tokenizer}), ids, strict=True):
        logits[place, number] = 20
    return logits, ids


def test_each_mask_is_filled_at_its_place_in_the_text_as_it_was_given(reader: Reader) -> None:
    settings, text = {**READING, "tokenizer": reader.tokenizer}, "  The\u200b  [MASK] was very [MASK]. "
    logits, ids = certain(reader, text, ["time", "good"])
    (window,) = reader.read((CleanText(text).text,)).windows
    small = fill.kept(logits, window, settings)
    assert small.shape == (2, 2 * fill.TOP) and small.dtype == np.float32
    assert small[:, 0].astype(int).tolist() == ids
    said = fill.answer([small], [window], [CleanText(text)], settings)
    assert [text[one["start"] : one["end"]] for one in said["filled"]] == ["[MASK]", "[MASK]"]
    assert json.loads(fill.word(said)) == ["time", "good"]
    assert said["confidence"] == pytest.approx(1, abs=1e-4)
    sureness = [word["confidence"] for word in said["filled"][0]["words"]]
    assert sureness == sorted(sureness, reverse=True) and len(sureness) == fill.TOP


def test_a_text_without_a_mask_is_refused(reader: Reader) -> None:
    settings = {**READING, "tokenizer": reader.tokenizer}
    (window,) = reader.read(("The time",)).windows
    nothing = fill.kept(np.zeros((len(window.ids), 30), np.float32), window, settings)
    with pytest.raises(TextRefused, match=r"there is no \[MASK\] in the text"):
        fill.answer([nothing], [window], [CleanText("The time")], settings)


def test_settings_must_say_what_a_mask_is() -> None:
    assert answers_for(READING) is fill
    with pytest.raises(BundleDamaged, match="`mask` must be the word"):
        answers_for({**READING, "mask": None})
