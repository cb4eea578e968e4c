"""Random language models small enough for a test, in the layout of real ones."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
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


def _byte_level(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words = [" good bad fine Verdict"] * 20  # so that each is one token, with its space
    tokenizer.train_from_iterator(texts + words, trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet))
    return tokenizer


def write_causal_lm(folder: Path, texts: list[str]) -> None:
    """Write a GPT-2 of 2 layers, 32 wide, with a byte-level tokenizer that has no padding token, into `folder`."""
    tokenizer = _byte_level(texts)
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


def write_llama(folder: Path, texts: list[str]) -> None:
    """Write a Llama of 2 layers, 32 wide, into `folder`: its tokenizer begins a text, and pads with what ends one."""
    tokenizer = _byte_level(texts)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    begin, end = (tokenizer.token_to_id(token) for token in ("<s>", "</s>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B:1", special_tokens=[("<s>", begin)]
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        max_position_embeddings=160,
        initializer_range=0.2,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=end,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **words).save_pretrained(folder)
