"""Time and peak memory of the ingest stage on a large generated file.

    python -m benchmarks.ingest_memory --rows 1000000

The file is random words: as long as a review, with quotes and commas, some accents and some texts that occur twice.
"""

import argparse
import csv
import random
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from stages.ingest import ingest
from stages.shared import plugins
from stages.shared.params import Ingest, Params
from stages.shared.sections import concrete

LABELS = ("negative", "neutral", "positive")
LIMIT_BYTES = 1.5e9


def write_rows(path: Path, rows: int) -> None:
    """Write a CSV file of random texts and labels, the same every time."""
    draw = random.Random(1)
    words = ["".join(draw.choices("aeioulnrstdmpé", k=draw.randint(2, 9))) for _ in range(20_000)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            text = " ".join(draw.choices(words, k=draw.randint(4, 40)))
            if number % 100 == 0:
                text = f'the same, "again", {number % 5_000}'
            writer.writerow([text, draw.choice(LABELS)])


def params_for(path: Path) -> Params:
    """The parameters that ingest reads, for a CSV file at `path`."""
    source = {"name": "file", "path": str(path), "files": {}, "format": "csv", "encoding": "utf-8", "header": True}
    source |= {"separator": ",", "quoting": "double", "pattern": None, "conll": None, "spans": None}
    source |= {"columns": {"text": "text", "label": "label"}, "max_field_characters": 100_000}
    splits = {"train": 0.7, "validation": 0.15, "test": 0.15}
    raw = {"source": source, "label_names": {}, "label_separator": None, "splits": splits, "max_rejected_share": 0.01}
    section = concrete(Ingest, raw).model_validate(raw)
    options = {"name": "classification", "labels": list(LABELS), "multi_label": False, "max_tokens": 128}
    options |= {"long_texts": "head", "overlap": 0, "head": None, "head_from_packages": False}
    task = plugins.load("tasks", "classification").Params.model_validate(options)
    return cast(Params, SimpleNamespace(seed=13, task=task, ingest=section))


def main() -> None:
    """Generate the file, run the stage, print time and peak memory, and fail when the memory is over the limit."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=1_000_000, help="rows of the generated file")
    rows = arguments.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "rows.csv", Path(folder) / "out"
        out.mkdir()
        write_rows(path, rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        start = time.perf_counter()
        outcome = ingest(path, out, params_for(path))
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(outcome.summary)
    print(f"{size / 1e6:.0f} MB read in {seconds:.1f} s ({rows / seconds:,.0f} rows per second)")
    print(f"peak memory {peak / 1e6:.0f} MB, of which {before / 1e6:.0f} MB before the stage began")
    if peak > LIMIT_BYTES:
        raise SystemExit(f"peak memory is over {LIMIT_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
