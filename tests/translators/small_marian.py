"""A Marian model small enough for a test, whose words mean nothing."""

import json
from pathlib import Path

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

SENTENCES = [
    "The red house stands by the river.",
    "I have two cats and a dog.",
    "It rains.",
    "Nobody came to the long meeting on Monday, and nobody was missed by anyone at all.",
    "Good tea!",
]


def write_marian(folder: Path) -> None:
    """Write a model of one layer, 16 wide, and SentencePiece tokenizers trained on the sentences, into a folder."""
    (folder / "corpus.txt").write_text("\n".join(SENTENCES * 5), encoding="utf-8")
    for side in ("source", "target"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "corpus.txt"), model_prefix=str(folder / side), vocab_size=40, minloglevel=2
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
    pieces = [line.split("\t")[0] for line in (folder / "source.vocab").read_text(encoding="utf-8").splitlines()]
    vocabulary = ["</s>", "<unk>", *[p for p in pieces if p not in ("<s>", "</s>", "<unk>")], "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(vocabulary)}), encoding="utf-8")
    MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"), "en", "xx"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    pad = len(vocabulary) - 1
    MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=64,
            pad_token_id=pad,
            decoder_start_token_id=pad,
            eos_token_id=0,
            forced_eos_token_id=0,
            init_std=0.5,
        )
    ).save_pretrained(folder)
