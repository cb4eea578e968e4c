"""A made-up language that Marian models learn: English in another order, with one word where English has two."""

import json
import random
from pathlib import Path

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

ADJECTIVES = {"red": "miro", "blue": "sato", "green": "veli", "old": "doru", "big": "gano", "small": "piko"}
NOUNS = {"dog": "bako", "cat": "lume", "bird": "tiri", "horse": "kelu", "farmer": "sumada", "boat": "rivo"}
VERBS = {"sees": "zuva", "likes": "fena", "follows": "hiko", "finds": "rapo"}
NUMBERS = {"two": "dul", "three": "tem", "four": "kor", "five": "pev"}
SYNONYMS = {"large": "big", "little": "small", "spots": "sees"}  # words that come back as another
PLURAL, NEVER = "nin", "hul"


def sentence(chance: random.Random) -> str:
    """Such as `the large dog never sees two red birds`."""
    adjectives = [*ADJECTIVES, "large", "little"]
    subject = ["the", chance.choice(adjectives), chance.choice([*NOUNS])]
    verb = ["never"] * (chance.random() < 0.3) + [chance.choice([*VERBS, "spots"])]
    seen = [chance.choice([*NUMBERS]), chance.choice(adjectives), chance.choice([*NOUNS]) + "s"]
    return " ".join([*subject, *verb, *seen])


def plainly(english: str) -> str:
    """The sentence with the words that come back: of those that mean the same, one."""
    return " ".join(SYNONYMS.get(word, word) for word in english.split())


def translated(english: str) -> str:
    """The sentence in the made-up language: what follows a noun stood before it, and the verb comes last."""
    _, quality, subject, *verb, number, other_quality, seen = plainly(english).split()
    known = ADJECTIVES | NOUNS | VERBS | NUMBERS
    words = [known[word] for word in (subject, quality, seen.removesuffix("s"), other_quality, number, verb[-1])]
    words[2] += PLURAL
    return " ".join(words + [NEVER] * (len(verb) > 1))


def write_pieces(folder: Path, source: list[str], target: list[str]) -> None:
    """Write the tokenizer of a Marian model: a SentencePiece model for each side, and a vocabulary of both."""
    pieces: list[str] = []
    for side, texts in (("source", source), ("target", target)):
        (folder / "corpus.txt").write_text("\n".join(texts), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "corpus.txt"),
            model_prefix=str(folder / side),
            model_type="bpe",
            vocab_size=110,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        lines = (folder / f"{side}.vocab").read_text(encoding="utf-8").splitlines()
        pieces += [line.split("\t")[0] for line in lines]
    special = ("<s>", "</s>", "<unk>")
    words = ["</s>", "<unk>", *(piece for piece in dict.fromkeys(pieces) if piece not in special), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}), encoding="utf-8")
    files = (str(folder / name) for name in ("source.spm", "target.spm", "vocab.json"))
    MarianTokenizer(*files, "xx", "yy").save_pretrained(folder)


def new_model(words: int) -> MarianMTModel:
    """A random Marian model of one layer, 64 wide, whose last word is the padding."""
    return MarianMTModel(
        MarianConfig(
            vocab_size=words,
            d_model=64,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
            max_position_embeddings=64,
            dropout=0.0,
            pad_token_id=words - 1,
            decoder_start_token_id=words - 1,
            eos_token_id=0,
            forced_eos_token_id=0,
            scale_embedding=True,
            init_std=0.1,  # with less, it takes three times as long to find out where to look
            activation_function="relu",
        )
    )


def write_trained(folder: Path, source: list[str], target: list[str], updates: int) -> None:
    """Write a Marian model into `folder` that has learnt to say the target of each source, in a few hundred updates."""
    folder.mkdir()
    write_pieces(folder, source, target)
    tokenizer = MarianTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = new_model(len(tokenizer)).train()
    read = tokenizer(source, text_target=target, padding=True, return_tensors="pt")
    read["labels"][read["labels"] == tokenizer.pad_token_id] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0, fused=True)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=updates, pct_start=0.15)
    for _ in range(updates):
        rows = torch.randint(len(source), (64,))
        loss = model(**{name: tensor[rows] for name, tensor in read.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
