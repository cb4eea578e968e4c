"""A smaller model of your own data: what it loses, how much faster and smaller it is, whether it can be shipped.

    python -m benchmarks.student params.yaml --text FOLDER --set train.epochs=3 distill.student.layers=3

The parameters, such as those of recipes/distill.yaml, say which data and which student. All stages run, from ingest to
package: the student has then passed its gate and that of int8, and the bundle was asked.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import flows  # noqa: F401  telemetry off
from benchmarks.methods import ALIKE, LOOSE, params_with
from flows.perform import perform
from stages.shared.markdown import table
from stages.shared.outcome import Outcome
from stages.shared.params import Params, load_params
from stages.tasks import task_of

SAME: dict[str, Any] = {"distill.student.threads": 1, "distill.student.precision": "bfloat16"}  # one process has one
READS = {  # of each stage after ingest: the folders that it is given
    "validate": ["ingest"],
    "augment": ["validate"],
    "pretrain": ["validate"],
    "train": ["augment", "pretrain"],
    "evaluate": ["validate", "train"],
    "distill": ["text", "validate", "augment", "train", "evaluate"],
    "quantize": ["validate", "train", "evaluate", "distill"],
    "package": ["validate", "train", "evaluate", "distill", "quantize"],
}


def run(params: Params, text: Path, folder: Path) -> dict[str, Outcome]:
    """All stages; what came of each."""
    places = {name: folder / name for name in ("ingest", *READS)} | {"text": text}
    found = {"ingest": perform("ingest", [Path(params.ingest.source.path), places["ingest"]], params)}
    for name, read in READS.items():
        found[name] = perform(name, [*(places[one] for one in read), places[name]], params)
        print(f"{name}: {found[name].summary}", flush=True)
    return found


def report(found: dict[str, Outcome], primary: str) -> str:
    """A Markdown table: the trained model, its student, and the student as int8."""
    distilled, small = found["distill"], found["quantize"]
    named = {"trained": found["evaluate"].metrics, "student": distilled.metrics, "student, int8": small.metrics}
    agreement = [float("nan"), distilled.metrics["agreement"], small.metrics["agreement"]]
    speed = [1.0, distilled.timings["speed_ratio"], float("nan")]
    latency = [float("nan"), small.timings["float_latency_50_ms"], small.timings["int8_latency_50_ms"]]
    size = [1.0, distilled.metrics["size_ratio"], distilled.metrics["size_ratio"] * small.metrics["size_ratio"]]
    columns = zip(named.items(), agreement, speed, latency, size, strict=True)
    rows = [
        [
            name,
            f"{metrics[f'test.{primary}']:.4f}",
            f"{agrees:.3f}",
            f"{fast:.2f}",
            f"{milliseconds:.2f}",
            f"{share:.3f}",
        ]
        for (name, metrics), agrees, fast, milliseconds, share in columns
    ]
    return table(["model", f"test {primary}", "agreement", "texts/s, torch", "ms a text, onnx", "size"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", type=Path)
    parser.add_argument("--text", type=Path, help="instead of distill.text: text without labels, .txt")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="such as train.epochs=5")
    options = parser.parse_args()
    given = {key: YAML(typ="safe").load(value) for key, value in (pair.split("=", 1) for pair in options.set)}
    if load_params(options.params).distill.student is None:
        parser.error(f"{options.params}: distill.student is null. Take that section from recipes/distill.yaml.")
    with tempfile.TemporaryDirectory() as scratch:
        params = params_with(options.params, LOOSE | ALIKE | SAME | given, Path(scratch))
        found = run(params, options.text or Path(params.distill.text), Path(scratch))
    print(f"\n{report(found, task_of(params.task).primary)}")


if __name__ == "__main__":
    main()
