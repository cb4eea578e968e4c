"""Text as tokens in files."""

from pathlib import Path

import numpy as np
import pytest

from serving.reading import Reader
from serving.words import joins, parted_words
from stages.shared import corpus
from stages.shared.base_model import tokenizer_of
from stages.shared.corpus import Framing, is_held_out, tokenize
from tests.conftest import sample_texts

TEXTS = [text for text, _ in sample_texts(200)]


@pytest.mark.parametrize("block", [1, 500, 10**9])
def test_tokens_are_those_of_the_reader_whatever_the_blocks(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(corpus, "BLOCK", block)
    tokenizer = tokenizer_of(tiny_base).backend_tokenizer
    reader = Reader(tokenizer, {"max_tokens": 500, "long_texts": "head", "overlap": 0})
    learnt, held_out = tokenize(iter(TEXTS), reader.tokenizer, tmp_path, 0.2, Framing((9,), (8,)))
    apart = {share: [text for text in TEXTS if is_held_out(text, 0.2) is share] for share in (False, True)}
    assert 20 < len(apart[True]) < 60
    for found, texts in ((learnt, apart[False]), (held_out, apart[True])):
        assert len(found) == len(texts)
        for number, text in enumerate(texts):
            (window,) = reader.read((text,)).windows
            start, end = found.starts[number : number + 2].tolist()
            assert found.ids(start, end).tolist() == [9, *window.ids[1:-1], 8]
            assert found.words(start + 1, end - 1).tolist() == window.word_of[1:-1].tolist()


def test_whether_a_document_is_held_out_hangs_on_its_text_alone() -> None:
    assert [is_held_out(text, 0.3) for text in reversed(TEXTS)] == [is_held_out(text, 0.3) for text in TEXTS][::-1]
    assert all(is_held_out(text, 0.3) for text in TEXTS if is_held_out(text, 0.1))


def test_words_are_parted_as_character_by_character() -> None:
    random = np.random.default_rng(0)
    alphabet = list("ab1., \u00e9\u0301很ひ\U0001f600\u3000-한")
    for _ in range(300):
        text = "".join(random.choice(alphabet, 12))
        cuts = [0, *np.sort(random.choice(np.arange(1, 12), 5, replace=False)).tolist(), 12]
        words = np.sort(random.integers(-1, 2, 6)).astype(np.int32)
        number, expected = -1, []
        for place, word in enumerate(words.tolist()):
            edge = text[max(0, cuts[place] - 1) : cuts[place] + 1]
            apart = not any(map(str.isspace, edge)) and not all(map(joins, edge))
            number += word >= 0 and (place == 0 or words[place - 1] != word or apart)
            expected.append(number if word >= 0 else -1)
        offsets = np.array([cuts[:-1], cuts[1:]], np.int32).T
        assert parted_words(words, offsets, text).tolist() == expected
