"""A model that answers each text by itself, with the tokens of training."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from serving.answers.classification import answer, softmax
from serving.errors import BundleDamaged, BundleMissing, TextRefused
from serving.runtime import Runtime
from serving.text import clean
from stages.shared.base_model import tokenizer_of
from stages.tasks import classification
from tests.conftest import sample_texts
from tests.quantized import Chain

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
    return Runtime(chain.bundle / "model.onnx", chain.bundle / "tokenizer.json", chain.params.task.max_tokens)


def test_tokens_are_those_of_training(runtime: Runtime, chain: Chain) -> None:
    texts = TRICKY + [text for text, _ in sample_texts(200)]
    examples = [{"text": clean(text), "label": "neutral"} for text in texts]
    trained = classification.encode(tokenizer_of(chain["model"] / "model"), examples, chain.params.task)
    for text, row in zip(texts, trained, strict=True):
        assert runtime.encode(text).ids == list(row["input_ids"]), text[:40]


def test_a_text_is_cut_at_the_limit_and_that_is_said(runtime: Runtime, chain: Chain) -> None:
    limit = chain.params.task.max_tokens
    fits, too_long = "good " * (limit - 2), "good " * (limit - 1)
    assert (len(runtime.encode(fits).ids), runtime.run(fits).truncated) == (limit, False)
    assert (len(runtime.encode(too_long).ids), runtime.run(too_long).truncated) == (limit, True)


def test_the_answers_are_the_same_bits_however_many_are_under_way(runtime: Runtime) -> None:
    texts = [(text,) for text in TRICKY] + [(text,) for text, _ in sample_texts(40)]
    alone = [runtime.run(*text).logits for text in texts]
    for at_a_time in (1, 2, 64):
        for one, other in zip(alone, runtime.run_all(texts, at_a_time), strict=True):
            np.testing.assert_array_equal(one, other.logits)


@pytest.mark.parametrize(("text", "why"), [("", "empty"), (" \u200b\n", "empty"), ("a\udcff", "not valid UTF-8")])
def test_what_cannot_be_answered_is_refused(runtime: Runtime, text: str, why: str) -> None:
    with pytest.raises(TextRefused, match=why):
        runtime.run(text)


def test_a_file_that_is_no_model_names_itself(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleMissing, match=r"model\.onnx: onnxruntime .* cannot load it"):
        Runtime(tmp_path / "model.onnx", chain.bundle / "tokenizer.json", 8)


def test_a_file_that_is_no_tokenizer_names_itself(chain: Chain, tmp_path: Path) -> None:
    shutil.copy(chain.bundle / "settings.json", tmp_path / "tokenizer.json")
    with pytest.raises(BundleDamaged, match=r"tokenizer\.json: is no tokenizer"):
        Runtime(chain.bundle / "model.onnx", tmp_path / "tokenizer.json", 8)


def test_probabilities_add_up_and_large_logits_do_not_overflow() -> None:
    found = softmax(np.array([1000.0, 999.0, -1000.0], dtype=np.float32))
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(1 / (1 + np.exp(-1)))


def test_the_answer_is_the_likeliest_label_with_all_scores() -> None:
    found = answer(np.array([0.0, 2.0], dtype=np.float32), {"labels": ["no", "yes"]})
    assert found["label"] == "yes"
    assert found["confidence"] == found["scores"]["yes"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert list(found["scores"]) == ["no", "yes"]


def test_labels_that_do_not_fit_the_model_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        answer(np.array([0.0, 2.0], dtype=np.float32), {"labels": ["no", "perhaps", "yes"]})
