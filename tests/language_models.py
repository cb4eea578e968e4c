"""Random language models small enough for a test, in the layout of real ones."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)


def write_masked_lm(folder: Path, tiny_base: Path) -> None:
    """Write a BERT with the part that names words, and the tokenizer of the tiny base, into `folder`."""
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(tiny_base, initializer_range=0.2)
    model = BertForMaskedLM(config)
    with torch.no_grad():
        model.cls.predictions.decoder.bias.normal_()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_base).save_pretrained(folder)


def write_causal_lm(folder: Path, texts: list[str]) -> None:
    """Write a GPT-2 of 2 layers, 32 wide, with a byte-level tokenizer that has no padding token, into `folder`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words = [" good bad fine Verdict"] * 20  # so that each is one token, with its space
    tokenizer.train_from_iterator(texts + words, trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet))
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=160,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
