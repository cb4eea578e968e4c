"""A random model small enough for a test, in the layout of a real one."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    ConvNextConfig,
    ConvNextModel,
    PreTrainedModel,
    ViTConfig,
    ViTModel,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _wordpiece(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _vocabulary(texts: list[str], size: int, first: list[str]) -> dict[str, int]:
    tokenizer = _wordpiece(models.WordPiece(unk_token="[UNK]"))
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=size, special_tokens=first))
    return dict(tokenizer.get_vocab())


def write_tiny_base(folder: Path, texts: list[str]) -> None:
    """Write a BERT of 2 layers, 32 wide, with random weights and a tokenizer trained on the texts, into `folder`."""
    alphabet = _vocabulary(texts, 0, SPECIAL).keys() - set(SPECIAL)  # given first, sorted: else numbered by chance
    tokenizer = _wordpiece(models.WordPiece(_vocabulary(texts, 2000, SPECIAL + sorted(alphabet)), unk_token="[UNK]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = BertTokenizerFast(tokenizer_object=tokenizer)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)


def tiny_vit(side: int) -> PreTrainedModel:
    """A ViT of 2 layers, 32 wide, with random weights, for pictures of so many pixels a side."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=side,
        patch_size=8,
    )
    return ViTModel(config)


def tiny_convnext() -> PreTrainedModel:
    """A ConvNeXt of 2 stages, 16 and 32 wide, with random weights."""
    torch.manual_seed(0)
    return ConvNextModel(ConvNextConfig(hidden_sizes=[16, 32], depths=[1, 1], num_stages=2))
