"""Which tokens are hidden, and what stands in their place."""

import numpy as np
import pytest

from stages.pretrain.new_tokenizer import train_tokenizer
from stages.shared.errors import ParamsError
from stages.shared.masking import Masking, expected_at, masking_for
from stages.shared.params import NewTokenizer

MASK, OTHERS = 4, np.arange(5, 50)
WORDS = np.array([-1, 0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -1])


def masking(share: float = 0.15, whole_words: bool = True) -> Masking:
    return Masking(share, whole_words, MASK, OTHERS)


def test_whole_words_are_hidden_and_no_more_than_the_share() -> None:
    sizes = []
    for seed in range(200):
        places = masking(0.3).choose(WORDS, np.random.default_rng(seed))
        hidden = set(WORDS[places].tolist())
        assert -1 not in hidden
        assert sum(WORDS[place] in hidden for place in range(len(WORDS))) == len(places)
        sizes.append(len(places))
    assert max(sizes) <= round(0.3 * 15) and np.mean(sizes) > 3.5


def test_pieces_are_hidden_one_by_one_where_words_need_not_be_whole() -> None:
    draws = (masking(0.2, False).choose(WORDS, np.random.default_rng(seed)) for seed in range(100))
    assert any(len({4, 5, 6} & set(places.tolist())) in (1, 2) for places in draws)


def test_one_word_is_hidden_at_least_and_none_where_there_is_none() -> None:
    assert len(masking(0.01).choose(np.array([-1, 0, 0, -1]), np.random.default_rng(0))) == 2
    assert len(masking(0.5).choose(np.array([-1, -1]), np.random.default_rng(0))) == 0


def test_of_the_hidden_most_are_masks_some_others_and_some_themselves() -> None:
    ids = np.full(10_000, 7)
    shown = masking().hide(ids, np.arange(10_000), np.random.default_rng(0))
    assert (shown == MASK).mean() == pytest.approx(0.8, abs=0.02)
    assert (shown == 7).mean() == pytest.approx(0.1 + 0.1 / len(OTHERS), abs=0.02)
    assert set(shown.tolist()) <= {MASK, 7, *OTHERS.tolist()}


def test_only_hidden_tokens_are_expected() -> None:
    assert expected_at(np.array([5, 6, 7]), np.array([1])).tolist() == [-100, 6, -100]


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    wanted = NewTokenizer(kind="bpe", vocabulary=300, lowercase=True)
    with pytest.raises(ParamsError, match="has no mask token"):
        masking_for(train_tokenizer(lambda: ["a b"], wanted, "decoder", None), 0.15, False)
