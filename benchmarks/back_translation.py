"""Back-translation: tokens a second of the translator `marian` against `generate` of transformers, and the warm cache.

A random Marian model of the size of an opus-mt: 6 + 6 layers, 512 wide, 58,101 words. It ends no text, so that both
write as many tokens for each: --tokens. Same texts (the bundled sample's), beams and batch size, all cores; the ways
take turns. The warm cache gives again what augment has translated before.

    python -m benchmarks.back_translation [--texts 64] [--tokens 12] [--rounds 3]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

from benchmarks.comparing import Comparison, interleaved, publish, seconds_of
from benchmarks.texts import read_examples
from serving.runtime import usable_cores
from stages.shared.translation_cache import TranslationCache
from stages.translators import marian

WORDS = 58101
SHAPE = {
    "d_model": 512,
    "encoder_layers": 6,
    "decoder_layers": 6,
    "encoder_attention_heads": 8,
    "decoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "decoder_ffn_dim": 2048,
    "max_position_embeddings": 512,
    "scale_embedding": True,
    "activation_function": "swish",
}
NOTES = {
    "float32": "the same words; both compute the same products, in torch on all cores at once",
    "int8": "nearly the same words; the model ends no text, so that early ends, which CTranslate2 uses, win nothing",
}


def write_model(folder: Path, texts: list[str]) -> None:
    """Write a random Marian model of opus-mt's size, with a tokenizer made of the texts."""
    (folder / "corpus.txt").write_text("\n".join(texts), encoding="utf-8")
    pieces: list[str] = []
    for side in ("source", "target"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "corpus.txt"),
            model_prefix=str(folder / side),
            vocab_size=2000,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        pieces = [line.split("\t")[0] for line in (folder / f"{side}.vocab").read_text(encoding="utf-8").splitlines()]
    words = ["</s>", "<unk>", *(piece for piece in pieces if piece not in ("<s>", "</s>", "<unk>"))]
    words += [f"▁word{number}" for number in range(WORDS - len(words) - 1)] + ["<pad>"]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}), encoding="utf-8")
    files = (str(folder / name) for name in ("source.spm", "target.spm", "vocab.json"))
    MarianTokenizer(*files, "en", "xx").save_pretrained(folder)
    torch.manual_seed(0)
    special = {"pad_token_id": WORDS - 1, "decoder_start_token_id": WORDS - 1, "eos_token_id": 0}
    MarianMTModel(MarianConfig(vocab_size=WORDS, **SHAPE, **special, forced_eos_token_id=0)).save_pretrained(folder)


def by_transformers(folder: Path, texts: list[str], asked: argparse.Namespace) -> Callable[[], float]:
    """A way that gives tokens a second of `generate`, in batches as the texts come."""
    tokenizer, model = MarianTokenizer.from_pretrained(folder), MarianMTModel.from_pretrained(folder).eval()
    limits: dict[str, Any] = {"num_beams": asked.beams, "max_new_tokens": asked.tokens, "do_sample": False}

    def way() -> float:
        torch.set_num_threads(usable_cores())
        started = time.perf_counter()
        for start in range(0, len(texts), asked.batch_size):
            batch = tokenizer(
                texts[start : start + asked.batch_size],
                padding=True,
                truncation=True,
                max_length=asked.tokens,
                return_tensors="pt",
            )
            with torch.inference_mode():
                written = model.generate(**batch, **limits)
            if written.shape[1] != asked.tokens + 1:  # with the one that it starts from
                raise RuntimeError(f"generate wrote {written.shape[1]} tokens a text instead of {asked.tokens}")
            tokenizer.batch_decode(written, skip_special_tokens=True)
        return len(texts) * asked.tokens / (time.perf_counter() - started)

    return way


def by_translator(folder: Path, texts: list[str], asked: argparse.Namespace, precision: str) -> Callable[[], float]:
    """A way that gives tokens a second of the translator `marian`."""
    params = params_of(folder, asked, precision)

    def way() -> float:  # of the tokens the last is the forced end, which both count
        return len(texts) * asked.tokens / seconds_of(lambda: marian.translate(texts, "there", params))

    way()  # loads and converts the model
    return way


def params_of(folder: Path, asked: argparse.Namespace, precision: str) -> marian.Params:
    """The translator's options."""
    model = {"model": str(folder), "revision": None}
    sizes = {"batch_size": asked.batch_size, "num_beams": asked.beams, "max_tokens": asked.tokens}
    return marian.Params.model_validate(
        {"name": "marian", "there": model, "back": model, "precision": precision} | sizes
    )


def cold_and_warm(folder: Path, texts: list[str], asked: argparse.Namespace) -> tuple[float, float]:
    """The seconds of translating the texts through an empty cache, and of asking it again; the model is loaded."""
    params = params_of(folder, asked, "float32")

    def through(cache: TranslationCache) -> list[str]:
        return cache.translated(texts, "there", lambda missing: marian.translate(missing, "there", params))

    with tempfile.TemporaryDirectory() as scratch, closing(TranslationCache(Path(scratch), "bench")) as cache:
        cold = seconds_of(lambda: through(cache))
        with closing(TranslationCache(Path(scratch), "bench")) as again:  # as another run opens it
            warm = seconds_of(lambda: through(again))
    return cold, warm


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"texts": 64, "tokens": 12, "beams": 4, "batch-size": 32, "rounds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    sample = [row["text"] for row in read_examples(10_000)]
    texts = list(dict.fromkeys(sample))[: asked.texts]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_model(folder, sample)
        ways = {"transformers": by_transformers(folder, texts, asked)} | {
            precision: by_translator(folder, texts, asked, precision) for precision in ("float32", "int8")
        }
        speeds = interleaved(ways, asked.rounds)
        cold, warm = cold_and_warm(folder, texts, asked)
    size = f"opus-mt's size, {asked.beams} beams, batches of {asked.batch_size}"
    peer, against = "MarianMT generate", speeds["transformers"]
    publish(
        "back_translation",
        [
            Comparison(
                *("A1", f"translation, {size}, {precision}", peer, "tokens/s", speeds[precision], against),
                *(speeds[precision] / against, 4, "more"),
                note=NOTES[precision],
            )
            for precision in ("float32", "int8")
        ]
        + [
            Comparison(
                "A1",
                "warm translation cache",
                "empty cache",
                "texts/s",
                len(texts) / warm,
                len(texts) / cold,
                cold / warm,
                100,
                "more",
            )
        ],
        texts=len(texts),
        tokens=asked.tokens,
        rounds=asked.rounds,
    )


if __name__ == "__main__":
    main()
