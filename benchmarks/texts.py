"""Texts to measure with: of the bundled sample, and drawn ones with as many tokens as those of public sets."""

import csv
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from serving.tokens import uncut_copy

# Tokens of a text, special ones included, of the default base's tokenizer: the 21 quantiles from least to most.
SST = (4, 9, 11, 13, 15, 17, 18, 20, 21, 23, 24, 26, 27, 29, 31, 33, 35, 37, 41, 46, 80)
AG_NEWS = (8, 24, 28, 30, 32, 34, 35, 37, 38, 40, 41, 42, 44, 45, 47, 48, 51, 53, 57, 69, 128)  # cut at 128
SPECIAL = 2  # tokens around a text
SAMPLE = Path(__file__).parents[1] / "data/sample/reviews.csv"


def read_examples(count: int) -> list[dict[str, str]]:
    """The first good rows of the bundled sample."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = [{"text": row["text"], "label": row["label"]} for row in csv.DictReader(file)]
    return [row for row in rows if row["text"].strip() and row["label"] in ("positive", "neutral", "negative")][:count]


def whole_words(tokenizer: Tokenizer) -> list[str]:
    """The words of a vocabulary that are one token each, wherever they stand."""
    vocabulary = sorted(tokenizer.get_vocab())
    words = [word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 1]
    found = uncut_copy(tokenizer)[0].encode_batch(words, add_special_tokens=False)
    return [word for word, one in zip(words, found, strict=True) if len(one.ids) == 1]


def texts_of_lengths(tokenizer: Tokenizer, quantiles: tuple[int, ...], count: int, seed: int) -> list[str]:
    """`count` texts whose numbers of tokens are distributed as the quantiles say; common words more often than rare."""
    random = np.random.default_rng(seed)
    words = np.array(whole_words(tokenizer))
    random.shuffle(words)
    tokens = np.interp(random.random(count), np.linspace(0, 1, len(quantiles)), quantiles).round().astype(int)
    chances = 1 / np.arange(1, len(words) + 1)  # Zipf's law
    chances /= chances.sum()
    return [" ".join(random.choice(words, size=max(1, length - SPECIAL), p=chances)) for length in tokens]
