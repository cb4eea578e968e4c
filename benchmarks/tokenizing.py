"""What reading texts into items and batches takes beside the tokenizer alone, and beside transformers' own way.

The texts are drawn from the tokenizer's vocabulary, as long as sentences of SST (22 tokens) and of AG News (50).

    python -m benchmarks.tokenizing [--texts 20000] [--rounds 5]
"""

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

import flows  # noqa: F401  telemetry off
from benchmarks.comparing import Comparison, interleaved, publish, seconds_of
from serving.reading import Reader
from stages.shared.base_model import find_base, tokenizer_of
from stages.shared.batches import sorted_batches
from stages.shared.items import collate, items_of, reader_of
from stages.shared.params import load_params
from stages.tasks import Task, task_of

ROOT = Path(__file__).parents[1]
BATCH = 16
LENGTHS = {"SST-like": (22, 10), "AG-News-like": (50, 12)}  # tokens of a text: mean, standard deviation


def make_texts(tokenizer: Tokenizer, count: int, length: tuple[int, int]) -> list[str]:
    """Texts of plain words of the vocabulary."""
    draw = random.Random(1)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    return [" ".join(draw.choices(words, k=max(3, round(draw.gauss(*length))) - 2)) for _ in range(count)]


def ours(task: Task, reader: Reader, texts: list[str], padding: int) -> None:
    """Texts to items to batches of similar length, as training makes them."""
    examples: list[dict[str, Any]] = [{"text": text, "label": "positive"} for text in texts]
    items = items_of(task, reader, examples)
    for batch in sorted_batches([item.tokens for item in items], BATCH):
        collate([items[place] for place in batch], padding)


def transformers_way(tokenizer: PreTrainedTokenizerBase, texts: list[str], limit: int) -> None:
    """As its examples do: the tokenizer over all texts, then the collator on each batch, of similar length too."""
    found = tokenizer(texts, truncation=True, max_length=limit)
    made = DataCollatorWithPadding(tokenizer)
    for batch in sorted_batches([len(ids) for ids in found["input_ids"]], BATCH):
        made([{name: values[place] for name, values in found.items()} for place in batch])


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    params = load_params(ROOT / "params.yaml")
    tokenizer, task = tokenizer_of(find_base(params.pretrain).folder), task_of(params.task)
    reader, padding = reader_of(tokenizer, task.settings()), int(tokenizer.pad_token_id)
    alone = reader.tokenizer  # without padding and truncation
    comparisons, also = [], {}
    for name, length in LENGTHS.items():
        texts = make_texts(alone, asked.texts, length)
        ways: dict[str, Callable[[], float]] = {
            "ours": lambda texts=texts: seconds_of(lambda: ours(task, reader, texts, padding)),  # type: ignore[misc]
            "tokenizer": lambda texts=texts: seconds_of(lambda: alone.encode_batch(texts)),  # type: ignore[misc]
            "transformers": lambda texts=texts: seconds_of(  # type: ignore[misc]
                lambda: transformers_way(tokenizer, texts, params.task.max_tokens)
            ),
        }
        found = interleaved(ways, asked.rounds)
        mean = sum(len(reading.windows[0].ids) for reading in reader.read_all([(text,) for text in texts])) / len(texts)
        comparisons.append(
            Comparison(
                bar="D1",
                what=f"tokenising and batching {asked.texts:,} {name} texts of {mean:.0f} tokens",
                peer="Tokenizer.encode_batch alone",
                unit="s",
                ours=found["ours"],
                against=found["tokenizer"],
                ratio=found["ours"] / found["tokenizer"],
                wanted=1.10,
                better="less",
            )
        )
        also[name] = {**found, "transformers_to_ours": found["transformers"] / found["ours"]}
        print(f"{name}: transformers' tokenizer and collator take {found['transformers'] / found['ours']:.2f} x ours")
    publish("tokenizing", comparisons, seconds=also)


if __name__ == "__main__":
    main()
