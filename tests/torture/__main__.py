"""Run the parts, three at a time, and print the scoreboard; exit code 1: a fault did harm.

python -m tests.torture [part ...]
"""

import argparse
import dataclasses
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.real.project import FINISHED
from tests.torture import PARTS
from tests.torture.faults import FAULTS
from tests.torture.scoreboard import Line, scoreboard

AT_ONCE = 3  # on two cores: the parts with servers wait much
BROKEN = Line("", "the part came to its end", 1, 0, "without an exception")


def _run_here(part: str, results: Path) -> None:
    """Run a part in this process, and write its lines as they come."""
    with tempfile.TemporaryDirectory(prefix="temper-torture-") as folder, results.open("w", encoding="utf-8") as file:
        for line in importlib.import_module(f"tests.torture.{part}").run(Path(folder)):
            file.write(json.dumps(dataclasses.asdict(line)) + "\n")
            file.flush()


def _run_beside(part: str, folder: Path) -> list[Line]:
    """Run a part in a process of its own; what it prints goes to a file, whose end is shown where it breaks."""
    started, results, said = time.monotonic(), folder / f"{part}.jsonl", folder / f"{part}.log"
    with said.open("w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "tests.torture", part, "--results", str(results)]
        environment = os.environ | {FINISHED: str(folder / "finished")}
        code = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode
    lines = []
    if results.is_file():
        lines = [Line(**json.loads(line)) for line in results.read_text(encoding="utf-8").splitlines()]
    held = sum(line.is_held for line in lines)
    print(f"{part}: {held} of {len(lines)} lines held, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    if code or held < len(lines):
        print("".join(said.read_text(encoding="utf-8", errors="replace").splitlines(True)[-60:]), file=sys.stderr)
    return lines if code == 0 else [*lines, dataclasses.replace(BROKEN, fault=f"{part}: {BROKEN.fault}")]


def _run_all(parts: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda part: _run_beside(part, Path(folder)), parts)
        lines = [line for some in found for line in some]
    if set(parts) == set(PARTS):
        forgotten = FAULTS.keys() - {line.number for line in lines}
        lines += [Line(number, FAULTS[number][0], 0, 0, FAULTS[number][1]) for number in forgotten]
    lines.sort(key=lambda line: str(line.number).zfill(2))
    print(scoreboard(lines))
    return 0 if all(line.is_held for line in lines) else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all of them without")
    parser.add_argument("--results", type=Path, help="run the one part in this process, and write its lines there")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.parts) - set(PARTS)):
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}")
    if asked.results is None:
        return _run_all(asked.parts or PARTS)
    _run_here(asked.parts[0], asked.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
