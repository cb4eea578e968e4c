"""A tokenizer trained on a text: the same text gives the same bytes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from stages.shared.errors import DataError, MachineError
from stages.shared.params import NewTokenizer

Family = Literal["encoder", "encoder_decoder", "decoder"]
Texts = Callable[[], Iterable[str]]  # gives the text again each time: some kinds read it twice
LONGEST_WORD = 100  # characters, of WordPiece: a longer one is unknown
NO_LIMIT = int(1e30)  # transformers' own word for a model without a longest text


@dataclass(frozen=True)
class _Specials:
    """The special tokens of a family of architectures, the first having the id 0, and what stands around a text."""

    names: dict[str, str]
    single: str
    pair: str


SPECIALS: dict[Family, _Specials] = {
    "encoder": _Specials(
        {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
        "[CLS]:0 $A:0 [SEP]:0",
        "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
    ),
    "encoder_decoder": _Specials({"pad": "<pad>", "eos": "</s>", "unk": "<unk>"}, "$A:0 </s>:0", "$A:0 $B:0 </s>:0"),
    "decoder": _Specials(
        {"eos": "<|endoftext|>", "pad": "<|pad|>", "unk": "<|unknown|>"},
        "<|endoftext|>:0 $A:0",
        "<|endoftext|>:0 $A:0 $B:0",
    ),
}


def _too_small(wanted: NewTokenizer, why: str) -> DataError:
    return DataError(
        f"pretrain.from_scratch.tokenizer.vocabulary: {wanted.vocabulary}: {why}. Raise it, choose kind: bpe, which is "
        f"made of bytes, or look for text in a wrong encoding."
    )


def _wordpiece(texts: Texts, wanted: NewTokenizer, specials: list[str], unknown: str) -> Tokenizer:
    """BERT's: words at white space and punctuation, a Chinese character a word; accents go where case does."""

    def trained(size: int, first: list[str]) -> list[str]:
        tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
        tokenizer.train_from_iterator(texts(), trainer)
        vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
        return sorted(vocabulary, key=lambda word: vocabulary[word])

    normalizer = normalizers.BertNormalizer(lowercase=wanted.lowercase)
    # the trainer numbers the characters inside words by chance, and equals are chosen by number: they are given first
    alphabet = sorted(set(trained(0, specials)) - set(specials))
    if len(specials) + len(alphabet) > wanted.vocabulary:
        raise _too_small(wanted, f"the text has {len(alphabet)} different characters, at the start of words and inside")
    vocabulary = {word: number for number, word in enumerate(trained(wanted.vocabulary, specials + alphabet))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown, max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _bpe(texts: Texts, wanted: NewTokenizer, specials: list[str], unknown: str) -> Tokenizer:
    """GPT-2's: of bytes, so that nothing is unknown to it."""
    tokenizer = Tokenizer(models.BPE())
    if wanted.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=wanted.vocabulary, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def _unigram(texts: Texts, wanted: NewTokenizer, specials: list[str], unknown: str) -> Tokenizer:
    """SentencePiece's, trained by it: the trainer of `tokenizers` does not give the same again."""
    try:
        import sentencepiece
    except ImportError:
        raise MachineError(
            "pretrain.from_scratch.tokenizer.kind: unigram needs the Python package sentencepiece. Install it with "
            "pip, or choose wordpiece or bpe."
        ) from None
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if wanted.lowercase else [])]
    normalizer = normalizers.Sequence(steps)
    made = BytesIO()
    options: dict[str, Any] = {
        "sentence_iterator": (normalizer.normalize_str(text) for text in texts()),
        "model_writer": made,
        "model_type": "unigram",
        "vocab_size": max(1, wanted.vocabulary - len(specials) + 1),
        "hard_vocab_limit": False,
        "character_coverage": 0.9999,
        "normalization_rule_name": "identity",
        "input_sentence_size": 1_000_000,
        "shuffle_input_sentence": True,
        "max_sentence_length": 100_000,
        "num_threads": 1,
        "bos_id": -1,
        "eos_id": -1,
        "pad_id": -1,
        "unk_id": 0,
        "minloglevel": 2,
    }
    try:
        sentencepiece.SentencePieceTrainer.train(**options)
    except RuntimeError as error:
        raise _too_small(wanted, str(error).split("] ")[-1]) from None
    pieces = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    learnt = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(1, pieces.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram([*((name, 0.0) for name in specials), *learnt], specials.index(unknown)))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


_KINDS = {"wordpiece": _wordpiece, "bpe": _bpe, "unigram": _unigram}


def _some(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if text)


def train_tokenizer(texts: Texts, wanted: NewTokenizer, family: Family, longest: int | None) -> PreTrainedTokenizerFast:
    """A tokenizer of the text, with the special tokens that a family of architectures needs.

    Args:
        texts: gives the documents, each time that it is called.
        wanted: its kind and size.
        family: of the architecture.
        longest: the most tokens that the model reads, None without a limit.

    Raises:
        MachineError: what trains this kind is not installed. DataError: the vocabulary is too small for the text.
    """
    specials = SPECIALS[family]
    names = dict(specials.names)
    if wanted.kind == "bpe" and family == "decoder":
        del names["unk"]  # no byte is unknown
    special = list(names.values())
    tokenizer = _KINDS[wanted.kind](lambda: _some(texts()), wanted, special, names.get("unk", ""))
    tokenizer.add_special_tokens(special)
    ids = [(name, tokenizer.token_to_id(name)) for name in special]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=specials.single, pair=specials.pair, special_tokens=ids
    )
    if family == "decoder":
        names["bos"] = names["eos"]
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=longest or NO_LIMIT,
        **{f"{kind}_token": name for kind, name in names.items()},
    )
