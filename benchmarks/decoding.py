"""Speed of writing: the packaged int8 model, each text by itself, against `generate` of transformers in torch.

The same texts, beams and limits in one run, interleaved; medians. Needs the outputs of a run of the task seq2seq or
generation in data/, or in the folder that is given.

    python -m benchmarks.decoding [--data data] [--texts 200] [--rounds 3]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import flows  # noqa: F401  telemetry off
from serving.runtime import Runtime, usable_cores
from stages.quantizers import Trained, ctranslate2_int8
from stages.shared.answering import read_settings
from stages.shared.base_model import tokenizer_of
from stages.shared.examples import read_split
from stages.shared.items import reader_of
from stages.shared.models import load_model
from stages.shared.params import load_params
from stages.shared.predict import Batching
from stages.shared.writing import write
from stages.tasks import task_of

ROOT = Path(__file__).parents[1]
BATCHED = "torch generate, sorted batches of 64"


def measured(ways: dict[str, Callable[[], None]], texts: int, rounds: int) -> dict[str, float]:
    """Texts a second of each way, the median of rounds in which they take turns."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            speeds[name].append(texts / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in speeds.items()}


def compare(asked: argparse.Namespace, folder: Path, bundle: Path) -> dict[str, float]:
    """Texts a second of torch, and of CTranslate2 in float and int8."""
    params = load_params(asked.params)
    task, settings, tokenizer = task_of(params.task), read_settings(folder), tokenizer_of(folder)
    rows = list(read_split(asked.data / "validate", "test"))[: asked.texts]
    items = task.items(reader_of(tokenizer, settings), rows)
    model = load_model(task, folder, params.task, len(tokenizer)).train(False)

    def in_torch(size: int) -> None:
        torch.set_num_threads(usable_cores())  # loading a CTranslate2 model sets it to 1
        write(model, items, [[]] * len(items), Batching(size, tokenizer.pad_token_id or 0, "write"), settings["writes"])

    def by(runtime: Runtime) -> None:
        for _ in runtime.run_all((item.rows[0] for item in items), 64):
            pass

    with tempfile.TemporaryDirectory() as scratch:
        method = ctranslate2_int8.Params(name="ctranslate2_int8")
        found = ctranslate2_int8.quantize(Trained(model, folder, settings), Path(scratch), method)
        whole = Runtime(Path(scratch) / found.large, folder / "tokenizer.json", settings)
        small = Runtime(bundle / "model", bundle / "tokenizer.json", settings)
        ways: dict[str, Callable[[], None]] = {
            "torch generate, one text at a time": lambda: in_torch(1),
            BATCHED: lambda: in_torch(64),
            "CTranslate2 float, each text by itself": lambda: by(whole),
            "CTranslate2 int8, each text by itself": lambda: by(small),
        }
        return measured(ways, len(items), asked.rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    folder, bundle = asked.data / "train/model", asked.data / "package/bundle"
    if not (bundle / "model").is_dir():
        sys.exit(f"{bundle}: holds no model that writes: run a recipe such as translation first")
    speeds, beams = compare(asked, folder, bundle), read_settings(folder)["writes"]["beams"]
    print(f"{asked.texts} texts, {beams} beam(s), {usable_cores()} threads, medians of {asked.rounds} rounds")
    for name, speed in speeds.items():
        print(f"{name:<44}{speed:8.1f} texts/s{speed / speeds[BATCHED]:8.2f} x")


if __name__ == "__main__":
    main()
