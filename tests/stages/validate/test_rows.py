"""Figures of the examples: tokens and keys."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from stages.shared.base_model import tokenizer_of
from stages.validate.rows import count_tokens


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> PreTrainedTokenizerBase:
    return tokenizer_of(tiny_base)


def test_tokens_are_those_of_the_whole_text_with_special_ones(tokenizer: PreTrainedTokenizerBase) -> None:
    long = "the " * 500
    tokens, unknown = count_tokens([("the the",), ("",), (long,)], tokenizer)
    assert tokens.tolist() == [4, 2, 502]
    assert unknown.tolist() == [0, 0, 0]


def test_several_texts_count_together(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens, _ = count_tokens([("the the", "the")], tokenizer)
    assert tokens.tolist() == [len(tokenizer("the the", "the")["input_ids"])]


def test_unknown_tokens_are_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    _, unknown = count_tokens([("the ☃ ☂ the",), ("the",)], tokenizer)
    assert unknown.tolist() == [2, 0]
