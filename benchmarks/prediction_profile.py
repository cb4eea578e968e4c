"""Where the time of `serving.predict` goes: reading, each kind of operator of the int8 model, the answer; the start.

Of each step and operator the least of several runs counts, for one text of so many words on one core: what else the
machine does only adds. Of the start, the modules that are imported and the seconds of the dearest. The bundle is made
of the bundled base with a new head, unless one is given.

    python -m benchmarks.prediction_profile [--bundle DIR] [--words 28] [--runs 60]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.bundles import ROOT, make_bundle
from benchmarks.prediction import mixed_texts
from serving.predict import Predictor

DEAREST = 6  # modules that are listed


def microseconds(step: Callable[[], object], runs: int) -> float:
    """The least time of a step."""
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        step()
        found.append(time.perf_counter() - started)
    return 1e6 * min(found)


def operators(model: Path, feed: dict[str, Any], runs: int) -> list[tuple[str, int, float]]:
    """Of each kind of operator: how many there are, and the microseconds of all of them; the dearest first."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as scratch:
        options.profile_file_prefix = f"{scratch}/profile"
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        rows = {given.name: feed[given.name][None] for given in session.get_inputs()}
        for _ in range(runs):
            session.run(None, rows)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            taken[event["args"]["op_name"], event["name"]].append(event["dur"])
    total, count = Counter[str](), Counter[str]()
    for (kind, _), times in taken.items():
        total[kind] += min(times)
        count[kind] += 1
    return [(kind, count[kind], time_of) for kind, time_of in total.most_common()]


def imports(bundle: Path) -> tuple[int, list[tuple[str, float]]]:
    """How many modules a cold start imports, and the milliseconds of the dearest, without those that they import."""
    command = [sys.executable, "-X", "importtime", "-m", "serving.predict", "--bundle", str(bundle), "It works."]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    rows = [
        line.removeprefix("import time:").split("|") for line in told.splitlines() if line.startswith("import time:")
    ]
    found = [(name.strip(), int(own) / 1000) for own, _, name in rows[1:]]
    return len(found), sorted(found, key=lambda one: -one[1])[:DEAREST]


def show(bundle: Path, words: int, runs: int) -> None:
    """Print the two tables."""
    predictor = Predictor(bundle)
    text = " ".join(" ".join(mixed_texts(20)).split()[:words])
    reading, cleaned = predictor._read((text,))
    window, runtime = reading.windows[0], predictor._runtime
    output, settings = runtime.run(window), predictor.settings
    steps = {
        "reading: cleaning, tokens, the window": lambda: predictor._read((text,)),
        "model": lambda: runtime.run(window),
        "answer": lambda: predictor._answers.answer([output], [window], cleaned, settings),
        "all": lambda: predictor.predict(text),
    }
    print(f"| a text of {words} words, {len(window.ids)} tokens, one core | nodes | µs |\n|---|---:|---:|")
    for name, step in steps.items():
        print(f"| {name} | | {microseconds(step, runs):.0f} |")
    for kind, count, taken in operators(bundle / settings["model"], window.feed(), runs):
        print(f"| operator {kind} | {count} | {taken:.0f} |")
    count, dearest = imports(bundle)
    print(f"\n| cold start: {count} modules | ms |\n|---|---:|")
    for name, milliseconds in dearest:
        print(f"| {name} | {milliseconds:.1f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--words", type=int, default=28)
    parser.add_argument("--runs", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        show(asked.bundle or make_bundle(Path(scratch) / "made").bundle, asked.words, asked.runs)


if __name__ == "__main__":
    main()
