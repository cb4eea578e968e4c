"""Prediction, texts in, labels out: the int8 bundle against transformers' `pipeline`, against float, against
sentence-transformers.

The bundle is made of the bundled base with a new head, by the project's own quantizer: weights decide no time. The
texts are of the lengths of SST-2 and AG News, half each, mixed, of the words of the bundled sample. All on all cores,
in turns; of a peer's batch sizes the best counts. How good int8 is comes from data/quantize of a finished run, if there
is one. sentence-transformers is compared where --peer-python names a Python that has it, with the extras onnx and
openvino: its versions do not go with the project's.

    python -m benchmarks.prediction [--texts 300] [--rounds 5] [--data data] [--peer-python PATH]
"""

import argparse
import csv
import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline

from benchmarks.bundles import ROOT, Made, make_bundle
from benchmarks.comparing import Comparison, interleaved, publish, seconds_of
from serving.ordered import ordered_map
from serving.predict import Predictor
from serving.runtime import Runtime, usable_cores
from stages.quantize import size_of

SIZES = (1, 8, 16, 32, 64)
LENGTHS = ((19, 9, 2, 52), (38, 10, 10, 120))  # words: mean, deviation, fewest, most; of SST-2's and AG News's texts
AT_A_TIME = 32
PEER_VERSIONS: dict[str, str] = {}  # as it says itself
Way = Callable[[], float]


def mixed_texts(count: int) -> list[str]:
    """Texts of mixed lengths, of consecutive words of the bundled sample; always the same."""
    with (ROOT / "data/sample/reviews.csv").open(encoding="utf-8", newline="") as file:
        words = " ".join(row["text"] for row in csv.DictReader(file)).split()
    chance, texts = random.Random(0), []
    for number in range(count):
        mean, deviation, fewest, most = LENGTHS[number % 2]
        length = min(most, max(fewest, round(chance.gauss(mean, deviation))))
        start = chance.randrange(len(words) - length)
        texts.append(" ".join(words[start : start + length]))
    return texts


def best_size(way: Callable[[int], Way], sizes: Sequence[int]) -> int:
    """The batch size with which a way is fastest, in two rounds."""
    speeds = interleaved({str(size): way(size) for size in sizes}, 2)
    return int(max(speeds, key=lambda size: speeds[size]))


def by_bundle(bundle: Path, texts: list[str]) -> Way:
    """Texts a second of a bundle, as `serving.predict` answers."""
    predictor = Predictor(bundle)

    def way() -> float:
        return len(texts) / seconds_of(lambda: list(ordered_map(predictor.predict, texts, usable_cores(), AT_A_TIME)))

    return way


def by_pipeline(folder: Path, texts: list[str], max_tokens: int) -> Callable[[int], Way]:
    """For a batch size, texts a second of transformers' pipeline in torch."""
    torch.set_num_threads(usable_cores())
    answers: Any = pipeline("text-classification", model=str(folder), tokenizer=str(folder), device="cpu")
    limits = {"truncation": True, "max_length": max_tokens}
    return lambda size: lambda: len(texts) / seconds_of(lambda: answers(texts, batch_size=size, **limits))


def by_runtime(made: Made, texts: list[str]) -> Way:
    """Embeddings a second of our int8 sentence encoder."""
    runtime = Runtime(made.bundle / "model.onnx", made.bundle / "tokenizer.json", made.settings)

    def embed(text: str) -> Any:
        (window,) = runtime.read((text,))[0].windows
        return runtime.run(window)

    return lambda: len(texts) / seconds_of(lambda: list(ordered_map(embed, texts, usable_cores(), AT_A_TIME)))


@contextmanager
def peer(python: str, model: Path, backend: str, texts: list[str]) -> Iterator[Callable[[int], Way]]:
    """For a batch size, embeddings a second of sentence-transformers, which stays loaded in its own process."""
    command = [python, str(ROOT / "benchmarks/sentence_peer.py"), str(model), backend]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def ask(size: int) -> float:
            process.stdin.write(json.dumps({"texts": texts, "batch_size": size}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command)} ended early: run it by hand to see why")
            answer = json.loads(line)
            PEER_VERSIONS.update(answer["versions"])
            return len(texts) / float(answer["seconds"])

        yield lambda size: lambda: ask(size)
        process.stdin.close()


def labels_compared(made: Made, texts: list[str], asked: argparse.Namespace) -> list[Comparison]:
    """I1 and I2."""
    in_torch = by_pipeline(made.trained, texts, made.settings["max_tokens"])
    size = best_size(in_torch, SIZES)
    ways = {
        "int8": by_bundle(made.bundle, texts),
        "float": by_bundle(made.float_bundle, texts),
        "torch": in_torch(size),
    }
    speeds = interleaved(ways, asked.rounds)
    small, large = size_of(made.bundle / "model.onnx"), size_of(made.float_bundle / "model.onnx")
    what, unit = "prediction, text in, label out, mixed lengths", "texts/s"
    return [
        Comparison(
            "I1",
            what,
            f"transformers pipeline, batches of {size}",
            unit,
            speeds["int8"],
            speeds["torch"],
            speeds["int8"] / speeds["torch"],
            4,
            "more",
        ),
        Comparison(
            "I2",
            "int8, same runtime: speed",
            "float",
            unit,
            speeds["int8"],
            speeds["float"],
            speeds["int8"] / speeds["float"],
            2,
            "more",
        ),
        Comparison("I2", "int8: size", "float", "bytes", small, large, small / large, 0.27, "less"),
        *quality_compared(asked.data / "quantize/metrics.json"),
    ]


def quality_compared(metrics: Path) -> list[Comparison]:
    """I2's quality, of a finished run; nothing where there is none."""
    if not metrics.is_file():
        print(f"{metrics}: no finished run there, so nothing is said of quality")
        return []
    found = json.loads(metrics.read_text(encoding="utf-8"))
    change, after = found["primary_change"], found["test.macro_f1"]
    lost = 100 * max(0.0, -change)
    return [
        Comparison(
            "I2",
            "int8: points of macro F1 lost on the test split",
            "float",
            "points",
            100 * after,
            100 * (after - change),
            lost,
            0.5,
            "less",
            "a row of the sample's 173 is 0.6 points",
        )
    ]


def sentences_compared(made: Made, texts: list[str], asked: argparse.Namespace) -> list[Comparison]:
    """I3."""
    with (
        peer(asked.peer_python, made.base, "onnx", texts) as in_onnx,
        peer(asked.peer_python, made.base, "openvino", texts) as in_openvino,
    ):
        peers = {"int8 ONNX": in_onnx, "OpenVINO": in_openvino}
        sizes = {name: best_size(way, SIZES) for name, way in peers.items()}
        ways = {name: way(sizes[name]) for name, way in peers.items()} | {"ours": by_runtime(made, texts)}
        speeds = interleaved(ways, asked.rounds)
    return [
        Comparison(
            "I3",
            "sentence embeddings, mixed lengths",
            f"sentence-transformers {name}, by {sizes[name]}",
            "texts/s",
            speeds["ours"],
            speeds[name],
            speeds["ours"] / speeds[name],
            1,
            "more",
        )
        for name in peers
    ]


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="where the stages' outputs lie")
    parser.add_argument("--peer-python", help="a Python with sentence-transformers[onnx,openvino]")
    asked = parser.parse_args()
    texts = mixed_texts(asked.texts)
    with tempfile.TemporaryDirectory() as scratch:
        comparisons = labels_compared(make_bundle(Path(scratch) / "labels"), texts, asked)
        if asked.peer_python:
            encoder = make_bundle(Path(scratch) / "sentences", ROOT / "recipes/faq_retrieval.yaml")
            comparisons += sentences_compared(encoder, texts, asked)
    publish("prediction", comparisons, texts=len(texts), rounds=asked.rounds, peer_versions=PEER_VERSIONS)


if __name__ == "__main__":
    main()
