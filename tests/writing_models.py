"""Random models that write, small enough for a test, in the layout of real ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"


def byte_tokenizer(texts: Sequence[str], ends: bool, words: int = 600) -> PreTrainedTokenizerFast:
    """A byte-level BPE; `ends`: whether it puts the token that ends a text behind each."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=words, special_tokens=[PAD, END, UNKNOWN], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, 1)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN)


def seq2seq_model(kind: str, words: int, **more: Any) -> Any:
    """An encoder-decoder of 2 + 2 layers, 32 wide: marian, bart or t5."""
    torch.manual_seed(0)
    special = {"pad_token_id": 0, "eos_token_id": 1, "vocab_size": words}
    if kind == "t5":
        return T5ForConditionalGeneration(
            T5Config(
                d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0, **special, **more
            )
        )
    shape = {
        "d_model": 32,
        **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 64 for side in ("encoder", "decoder")},
        "max_position_embeddings": 64,
        "forced_eos_token_id": None,
        "init_std": 0.3,
        **more,
    }
    if kind == "bart":
        return BartForConditionalGeneration(
            BartConfig(**shape, **special, bos_token_id=1, decoder_start_token_id=1, forced_bos_token_id=None)
        )
    return MarianMTModel(MarianConfig(**shape, **special, decoder_start_token_id=0))


def causal_model(kind: str, words: int) -> Any:
    """A decoder of 2 layers, 32 wide: gpt2 or llama."""
    torch.manual_seed(0)
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1, "vocab_size": words}
    if kind == "llama":
        return LlamaForCausalLM(
            LlamaConfig(
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=128,
                initializer_range=0.3,
                **special,
            )
        )
    return GPT2LMHeadModel(
        GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=128, initializer_range=0.3, **special)
    )


def write_base(folder: Path, kind: str, texts: Sequence[str]) -> Path:
    """Write a model of a kind and its tokenizer into `folder`."""
    is_decoder = kind in ("gpt2", "llama")
    tokenizer = byte_tokenizer(texts, ends=not is_decoder)
    model = (causal_model if is_decoder else seq2seq_model)(kind, len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
