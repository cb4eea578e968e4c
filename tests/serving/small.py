"""A small WordPiece tokenizer, and what is read with it: the words of LONG and WORDS are one token each."""

from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from serving.reading import Reader, Reading
from tests.conftest import sample_texts
from tests.tiny import SPECIAL

LONG = "one two three four five six seven eight nine ten eleven twelve"
WORDS = f"{LONG} who what where is good bad fine Review : It was , é"
CORPUS = [WORDS] * 3 + [text for text, _ in sample_texts(100)]
BERT = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))


def words_tokenizer() -> Tokenizer:
    """A WordPiece as of BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=900, special_tokens=SPECIAL))
    tokenizer.post_processor = BERT
    return tokenizer


PLAIN = words_tokenizer()


def settings(max_tokens: int = 10, long_texts: str = "head", overlap: int = 0, **more: Any) -> dict[str, Any]:
    """How texts are read."""
    return {"max_tokens": max_tokens, "long_texts": long_texts, "overlap": overlap, **more}


def read(given: dict[str, Any], *texts: str, tokenizer: Tokenizer = PLAIN) -> Reading:
    """What is read of an example."""
    return Reader(tokenizer, given).read(texts)
