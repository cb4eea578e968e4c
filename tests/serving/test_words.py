"""Where words part."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from serving.words import joins, parted_words

CORPUS = ["She moved to Oslo, and from Oslo (in May) to Köln.", "他从北京到天津。", "O'Brien paid 20% more"]


def sentence_pieces() -> Tokenizer:
    """A tokenizer as of XLM-R: a word is all that stands between two spaces."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    letters = sorted({letter for text in CORPUS for letter in text})
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<unk>"], unk_token="<unk>", initial_alphabet=letters
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def words_of(text: str, tokenizer: Tokenizer) -> list[str]:
    encoding = tokenizer.encode(text)
    offsets = np.array(encoding.offsets, np.int32)
    words = parted_words(np.array(encoding.word_ids, np.int32), offsets, text)
    assert words.dtype == np.int32
    assert sorted(set(words.tolist())) == list(range(words.max() + 1))
    return [
        text[offsets[words == word][0, 0] : offsets[words == word][-1, 1]].strip() for word in range(words.max() + 1)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("to Oslo, and", ["to", "Oslo", ",", "and"]),
        ("(in Köln).", ["(", "in", "Köln", ")", "."]),
        ("O'Brien 20%", ["O", "'", "Brien", "20", "%"]),
        ("到天津。", ["到", "天", "津", "。"]),
    ],
)
def test_a_word_is_parted_where_its_tokens_do_not_join(text: str, words: list[str]) -> None:
    assert words_of(text, sentence_pieces()) == words


def test_the_bytes_of_a_character_and_words_that_are_whole_stay_together() -> None:
    words, offsets = np.array([0, 0, 0, -1, 1, 1]), np.array([[0, 1], [0, 1], [0, 1], [0, 0], [2, 4], [4, 6]])
    assert parted_words(words, offsets, "😀 abcd").tolist() == [0, 0, 0, -1, 1, 1]
    assert parted_words(words[:0], offsets[:0], "").tolist() == []


def test_scripts_without_spaces_do_not_join() -> None:
    assert all(map(joins, "aÄ9жकि"))
    assert not any(map(joins, "北かカ한ไ-' €"))
