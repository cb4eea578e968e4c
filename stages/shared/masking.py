"""Which tokens are hidden from a model that is to find them, and what stands in their place.

Source: Devlin et al. 2019, BERT, arXiv:1810.04805, section 3.1; whole words as in its released code of May 2019
"""

from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from stages.shared.errors import ParamsError
from stages.shared.items import IGNORED

SHOWN_AS_MASK, SHOWN_AS_OTHER = 0.8, 0.1  # of the hidden tokens; the rest is shown as it is


@dataclass(frozen=True, eq=False)
class Masking:
    """How tokens are hidden.

    Attributes:
        share: fraction of the tokens of a row.
        whole_words: whether all tokens of a word are hidden together.
        mask: id of the mask.
        others: ids of the tokens that may stand in the place of another.
    """

    share: float
    whole_words: bool
    mask: int
    others: np.ndarray

    def choose(self, words: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The places of the hidden tokens, in order: so many that the share is not passed, but one word at least.

        Args:
            words: of each token the number of its word, -1 for what is never hidden, shape (tokens,).
        """
        places = np.flatnonzero(words >= 0)
        if not len(places):
            return places
        begins = np.ones(len(places), bool)
        if self.whole_words:
            begins[1:] = (np.diff(words[places]) != 0) | (np.diff(places) > 1)
        unit_of = np.cumsum(begins) - 1
        order = random.permutation(unit_of[-1] + 1)
        sizes = np.bincount(unit_of)[order]
        wanted = max(1, round(self.share * len(places)))
        fits = np.cumsum(sizes) <= wanted
        fits[0] = True
        return places[np.isin(unit_of, order[fits])]

    def hide(self, ids: np.ndarray, places: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The row with most of the hidden tokens as the mask, some as another token, and some as they are."""
        shown = np.array(ids, np.int64)
        drawn = random.random(len(places))
        other = (drawn >= SHOWN_AS_MASK) & (drawn < SHOWN_AS_MASK + SHOWN_AS_OTHER)
        shown[places[drawn < SHOWN_AS_MASK]] = self.mask
        shown[places[other]] = random.choice(self.others, int(other.sum()))
        return shown


def expected_at(ids: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The tokens that are to be found, the others ignored, int64 of shape (tokens,)."""
    expected = np.full(len(ids), IGNORED, np.int64)
    expected[places] = np.asarray(ids)[places]
    return expected


def masking_of(tokenizer: Tokenizer, mask: str, share: float, whole_words: bool) -> Masking:
    """How tokens of a tokenizer are hidden behind a mask: never behind another special token."""
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    others = np.array(sorted({*range(tokenizer.get_vocab_size())} - special), np.int64)
    return Masking(share, whole_words, tokenizer.token_to_id(mask) or 0, others)


def masking_for(tokenizer: PreTrainedTokenizerBase, share: float, whole_words: bool) -> Masking:
    """The same, with the tokenizer's own mask.

    Raises:
        ParamsError: it has none.
    """
    if tokenizer.mask_token is None:
        raise ParamsError(
            "pretrain.base: its tokenizer has no mask token, so that nothing can be hidden from it. Choose another "
            "base, such as a BERT or a RoBERTa."
        )
    return masking_of(tokenizer.backend_tokenizer, tokenizer.mask_token, share, whole_words)
