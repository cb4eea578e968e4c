"""Time and peak memory of tokenising a large text for pre-training.

    python -m benchmarks.pretrain_memory --megabytes 200        (or --gigabytes 5)

The file is random words, a paragraph a line, the same every time. Memory must not grow with the file.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import flows  # noqa: F401  telemetry off
from stages.shared.base_model import find_base, tokenizer_of
from stages.shared.corpus import Framing, tokenize
from stages.shared.params import load_params
from stages.shared.resources import peak_memory
from stages.shared.unlabelled import Text

ROOT = Path(__file__).parents[1]
LIMIT_BYTES = 2e9


def write_text(path: Path, size: int) -> None:
    """Write so many bytes of lines of random words."""
    draw = random.Random(1)
    words = ["".join(draw.choices("aeioulnrstdmpé", k=draw.randint(2, 9))) for _ in range(20_000)]
    block = [" ".join(draw.choices(words, k=draw.randint(5, 200))) + ".\n" for _ in range(2_000)]
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            for line in block:
                start = draw.randrange(len(line) // 2)
                written += file.write(line[start:])


def main() -> None:
    """Generate the file, tokenise it, print time and peak memory, and fail when the memory is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200, help="size of the generated file")
    parser.add_argument("--gigabytes", type=float, default=0.0, help="the same, in gigabytes")
    asked = parser.parse_args()
    size = int(asked.gigabytes * 1e9) or asked.megabytes * 1_000_000
    tokenizer = tokenizer_of(find_base(load_params(ROOT / "params.yaml").pretrain).folder).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        write_text(path, size)
        before = peak_memory()
        started = time.perf_counter()
        documents = Text(path, (), "line", "pretrain.text").read()
        learnt, held_out = tokenize(documents, tokenizer, Path(folder), 0.01, Framing((), ()))
        seconds = time.perf_counter() - started
        size = path.stat().st_size
        tokens = len(learnt.tokens) + len(held_out.tokens)
    print(f"{size / 1e6:,.0f} MB, {len(learnt) + len(held_out):,} documents, {tokens:,} tokens in {seconds:.1f} s")
    print(f"{size / 1e6 / seconds:.1f} MB and {tokens / seconds:,.0f} tokens per second")
    print(f"peak memory {peak_memory() / 1e6:.0f} MB, of which {before / 1e6:.0f} MB before it began")
    if peak_memory() > LIMIT_BYTES:
        raise SystemExit(f"peak memory is over {LIMIT_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
