"""Cold start: `python -m serving.predict` for one text against a script with transformers' pipeline and torch.

Wall seconds from the start of the process to its end, and the most memory that it held (resident, as the kernel
counts it for a child that has ended). Both in turns, after one run of each to have the files in the page cache. The
bundle is made of the bundled base with a new head.

    python -m benchmarks.cold_start [--rounds 7]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bundles import ROOT, make_bundle
from benchmarks.comparing import Comparison, publish

SCRIPT = """import sys

from transformers import pipeline

folder, text = sys.argv[1:]
answers = pipeline("text-classification", model=folder, tokenizer=folder, device="cpu")
print(answers(text))
"""
# In a small process of its own: what a process holds when it starts another counts for that one too.
MEASURE = """import os, subprocess, sys, time

started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(time.perf_counter() - started, used.ru_maxrss / 1000)
sys.exit(os.waitstatus_to_exitcode(status))
"""
TEXT = "It came on time, and it works."


def seconds_and_megabytes(command: list[str]) -> tuple[float, float]:
    """What one run of a command takes. Raises CalledProcessError when it fails."""
    told = subprocess.run([sys.executable, "-c", MEASURE, *command], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    seconds, megabytes = told.stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made, script = make_bundle(Path(scratch) / "made"), Path(scratch) / "script.py"
        script.write_text(SCRIPT, encoding="utf-8")
        commands = {
            "ours": [sys.executable, "-m", "serving.predict", "--bundle", str(made.bundle), TEXT],
            "peer": [sys.executable, str(script), str(made.trained), TEXT],
        }
        for command in commands.values():
            seconds_and_megabytes(command)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(asked.rounds):
            for name, command in commands.items():
                found[name].append(seconds_and_megabytes(command))
    seconds, memory = (
        {name: statistics.median(run[place] for run in runs) for name, runs in found.items()} for place in (0, 1)
    )
    script_name = "script of torch and transformers"
    publish(
        "cold_start",
        [
            Comparison(
                "I4",
                "cold start of serving.predict",
                script_name,
                "s",
                seconds["ours"],
                seconds["peer"],
                seconds["peer"] / seconds["ours"],
                4,
                "more",
            ),
            Comparison(
                "I4",
                "its peak memory",
                script_name,
                "MB",
                memory["ours"],
                memory["peer"],
                memory["ours"] / memory["peer"],
                1 / 3,
                "less",
            ),
        ],
        rounds=asked.rounds,
    )


if __name__ == "__main__":
    main()
