"""Time and peak memory of ingest and validate by the number of rows, each stage in a process of its own.

The rows are generated: random words as long as a review, with quotes and commas, some accents, some texts that occur
twice and some that nearly do. The parameters are those of params.yaml, but for the file.

    python -m benchmarks.data_scale [--rows 10000 100000 1000000] [--stages ingest validate]
"""

import argparse
import csv
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import flows  # noqa: F401  telemetry off
from benchmarks.comparing import Comparison, publish
from stages.shared.params import Params, load_params

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "validate")
LABELS = ("negative", "neutral", "positive")
COMMON = """
    the a of and to in it is was that this for with on as but not very good bad great poor works broke after before
    bought year month came box price quality would recommend never again husband daughter kitchen easy hard small
    large first time used use every day really like love hate return returned money worth nothing better than other
"""
EXPONENT, MEMORY = 1.1, 2.0  # the bars: of the rows; gigabytes


def write_rows(path: Path, rows: int) -> None:
    """Write a CSV file of random texts and labels, the same every time; of 200 rows one repeats and one nearly does."""
    draw = random.Random(1)
    rare = ["".join(draw.choices("aeioulnrstdmpé", k=draw.randint(3, 9))) for _ in range(20_000)]
    words = COMMON.split() * 3_000 + rare
    last = ""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            if number % 200 == 100:
                text = last
            elif number % 200 == 101:
                text = f"{last[:-1]}x"
            else:
                text = " ".join(draw.choices(words, k=draw.randint(8, 40))) + draw.choice((".", "!", ', "so to say".'))
            last = text
            writer.writerow([text, LABELS[0] if number % 200 in (99, 100) else draw.choice(LABELS)])


def params_for(path: Path) -> Params:
    """The parameters of the repository, for the CSV file."""
    params = load_params(ROOT / "params.yaml")
    source = params.ingest.source.model_copy(update={"path": str(path)})
    return params.model_copy(update={"ingest": params.ingest.model_copy(update={"source": source})})


def run_stage(stage: str, folder: Path) -> dict[str, Any]:
    """Run one stage in this process, as the pipeline does, and measure it."""
    params = params_for(folder / "rows.csv")
    out = folder / stage
    out.mkdir()
    if stage == "ingest":
        from stages.ingest import ingest

        started = time.perf_counter()
        outcome = ingest(folder / "rows.csv", out, params)
    else:
        from stages.validate import validate

        started = time.perf_counter()
        outcome = validate(folder / "ingest", out, params)
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time(),
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "summary": outcome.summary,
        "timings": outcome.timings,
    }


def measured(rows: int, stages: list[str]) -> dict[str, dict[str, Any]]:
    """The figures of each stage for so many rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.csv", rows)
        found = {}
        for stage in stages:
            command = [sys.executable, "-m", "benchmarks.data_scale", "--run", stage, "--folder", name]
            done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
            found[stage] = json.loads(done.stdout.splitlines()[-1])
            one = found[stage]
            print(f"{rows:>10,} rows  {stage:<9}{one['seconds']:8.1f} s{rows / one['seconds']:10,.0f} rows/s", end="")
            print(f"{one['gigabytes']:7.2f} GB  {one['summary']}", flush=True)
    return found


def comparisons_of(found: dict[int, dict[str, dict[str, Any]]], stage: str) -> list[Comparison]:
    """How time grows from the fewest to the most rows, and the memory of the most."""
    few, most = min(found), max(found)
    seconds = {rows: float(found[rows][stage]["seconds"]) for rows in found}
    grown = math.log(seconds[most] / seconds[few]) / math.log(most / few)
    speed = most / seconds[most]
    figures = f"{few:,} to {most:,} rows"
    memory = float(found[most][stage]["gigabytes"])
    return [
        Comparison(
            bar="D2",
            what=f"{stage}: the power of the rows by which time grows, {figures}",
            peer=f"{few:,} rows",
            unit="rows/s",
            ours=speed,
            against=few / seconds[few],
            ratio=grown,
            wanted=EXPONENT,
            better="less",
        ),
        Comparison(
            bar="D2",
            what=f"{stage}: peak memory at {most:,} rows",
            peer=f"{few:,} rows",
            unit="GB",
            ours=memory,
            against=float(found[few][stage]["gigabytes"]),
            ratio=memory,
            wanted=MEMORY,
            better="less",
        ),
    ]


def main() -> None:
    """Measure and publish; or run one stage, as its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="validate needs ingest")
    parser.add_argument("--run", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        print(json.dumps(run_stage(asked.run, asked.folder)))
        return
    found = {rows: measured(rows, asked.stages) for rows in asked.rows}
    lines = [line for stage in asked.stages for line in comparisons_of(found, stage)] if len(found) > 1 else []
    publish("data_scale", lines, measured={str(rows): one for rows, one in found.items()})


if __name__ == "__main__":
    main()
