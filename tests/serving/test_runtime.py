"""A model that answers each row of tokens by itself, with the tokens of training."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from serving.errors import BundleDamaged, BundleMissing, TextRefused
from serving.runtime import Runtime
from serving.text import clean
from stages.shared.base_model import tokenizer_of
from tests.conftest import sample_texts
from tests.quantized import Chain
from tests.serving.small import settings

TRICKY = [
    "Great value!!! 😀👩‍👩‍👧 10/10",
    "caf\u00e9 and cafe\u0301 are one",
    "zero\u200bwidth, soft\u00adhyphen and \u202ebidi\u202c",
    "tabs\tand\nlines\r\n  and   spaces ",
    "full width ＡＢＣ and \u4f60\u597d",
    "[CLS] [MASK] ##ing [SEP] <s> </s>",
    "don't won't it's o'clock 'quoted'",
    "\ufeffa byte order mark",
    "NUL\x00inside and \x1b[31mcolour",
    "a",
    "ünïcödé İstanbul ßtraße ﬁne",
    "word " * 500,
    "x" * 3000,
]


@pytest.fixture(scope="module")
def runtime(chain: Chain) -> Runtime:
    return Runtime(chain.bundle / "model.onnx", chain.bundle / "tokenizer.json", chain.params.task.reading())


def test_tokens_are_those_of_training(runtime: Runtime, chain: Chain) -> None:
    texts = TRICKY + [text for text, _ in sample_texts(200)]
    tokenizer = tokenizer_of(chain["model"] / "model")
    trained = tokenizer([clean(text) for text in texts], truncation=True, max_length=chain.params.task.max_tokens)
    for text, ids in zip(texts, trained["input_ids"], strict=True):
        reading, _ = runtime.read((text,))
        assert [window.ids for window in reading.windows] == [ids], text[:40]


def test_the_texts_come_back_clean_and_as_they_were_given(runtime: Runtime) -> None:
    _, (first, second) = runtime.read(("  cafe\u0301\u200b ", "plain"))
    assert (first.given, first.text, second.text) == ("  cafe\u0301\u200b ", "café", "plain")


def test_the_outputs_are_the_same_bits_however_many_are_under_way(runtime: Runtime) -> None:
    texts = TRICKY + [text for text, _ in sample_texts(40)]
    windows = [window for text in texts for window in runtime.read((text,))[0].windows]
    alone = [runtime.run(window) for window in windows]
    assert {output.shape for output in alone} == {(3,)}
    for at_a_time in (1, 2, 64):
        for one, other in zip(alone, runtime.run_all(windows, at_a_time), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("text", "why"), [("", "empty"), (" \u200b\n", "empty"), ("a\udcff", "not valid UTF-8")])
def test_what_cannot_be_answered_is_refused(runtime: Runtime, text: str, why: str) -> None:
    with pytest.raises(TextRefused, match=why):
        runtime.read((text,))
    with pytest.raises(TextRefused, match=why):
        runtime.read(("a question", text))


def test_a_file_that_is_no_model_names_itself(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleMissing, match=r"model\.onnx: onnxruntime .* cannot load it"):
        Runtime(tmp_path / "model.onnx", chain.bundle / "tokenizer.json", settings())


def test_a_file_that_is_no_tokenizer_names_itself(chain: Chain, tmp_path: Path) -> None:
    shutil.copy(chain.bundle / "settings.json", tmp_path / "tokenizer.json")
    with pytest.raises(BundleDamaged, match=r"tokenizer\.json: is no tokenizer"):
        Runtime(chain.bundle / "model.onnx", tmp_path / "tokenizer.json", settings())
