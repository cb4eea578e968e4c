"""What is spent around the work: DVC, MLflow, Prefect, imports, in temporary clones of this repository.

P1a `dvc repro` with nothing to do. P1b of each stage what its process takes beside the stage function. P1c the pipeline
by `dvc repro` against the same stage functions called in one process. P1d what `python -m flows.finetune` adds to
`dvc repro`, the Prefect server being up. P2 `--help` of every command. Processor seconds (user and system, of all
processes) stand beside the wall seconds: they say more on a machine that is busy.

    python -m benchmarks.overhead [--rows 300] [--epochs 1] [--rounds 2] [--sample]
"""

import argparse
import json
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.comparing import Comparison, publish

ROOT = Path(__file__).parents[1]
BARS = {"P1a": 2.0, "P1b": 3.0, "P1c": 1.25, "P1d": 2.0, "P2": 0.3}  # seconds, but P1c
OF_STAGES = "the import of torch and transformers: "
OF_FLOW = "a `dvc repro --single-item` for each stage, Prefect's import and its runs: "
IN_ONE_PROCESS = """
import flows, json, sys, time
from pathlib import Path
from flows.perform import perform
from stages.shared.params import PARAMS_FILE, load_params
started = time.monotonic()
params = load_params(PARAMS_FILE)
for name, *folders in json.loads(sys.argv[1]):
    perform(name, [Path(folder) for folder in folders], params)
print(time.monotonic() - started)
"""


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of the processor."""

    wall: float
    processor: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.wall - other.wall, self.processor - other.processor)


def of_middle(several: list[Spent]) -> Spent:
    """The medians."""
    return Spent(statistics.median(one.wall for one in several), statistics.median(one.processor for one in several))


class Clone:
    """A copy of the tracked files, with a commit of its own, where nothing has run."""

    def __init__(self, root: Path, values: dict[str, Any], rows: int | None) -> None:
        self.root = root
        self.environment = _environment(root.parent / f"{root.name}-prefect")
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file() and not name.startswith("tests/"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        self._set_params(values)
        if rows is not None:
            sample = root / "data/sample/reviews.csv"
            lines = sample.read_text(encoding="utf-8").splitlines(keepends=True)
            sample.write_text("".join(lines[: rows + 1]), encoding="utf-8")
        identity = (["config", "user.name", "benchmark"], ["config", "user.email", "benchmark@example.invalid"])
        for words in (["init", "-q"], *identity, ["add", "-A"], ["commit", "-qm", "start"]):
            subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)

    def _set_params(self, values: dict[str, Any]) -> None:
        yaml, file = YAML(), self.root / "params.yaml"
        raw = yaml.load(file.read_text(encoding="utf-8"))
        for dotted, value in values.items():
            *parents, last = dotted.split(".")
            section = raw
            for parent in parents:
                section = section[parent]
            section[last] = value
        yaml.dump(raw, file)

    def run(self, *words: str, **environment: str) -> tuple[Spent, str]:
        """Run `python <words>` here; what it took, with all that it started, and what it printed last."""
        before, started = _processor_of_children(), time.monotonic()
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        spent = Spent(time.monotonic() - started, _processor_of_children() - before)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-3000:]}")
        return spent, (done.stdout.strip().splitlines() or [""])[-1]

    def commands(self) -> list[list[str]]:
        """Of each stage that has run: its name and its folders."""
        locked = YAML(typ="safe").load((self.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        raw = YAML(typ="safe").load((self.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        return [shlex.split(locked[name]["cmd"])[3:] for name in raw]

    def work(self, stage: str) -> Spent:
        """What the stage function took when it ran last."""
        found = json.loads((self.root / f".temper/timings/{stage}.json").read_text(encoding="utf-8"))
        return Spent(found["work.seconds"], found["work.processor"])

    def all_work(self) -> float:
        """The wall seconds of all stage functions."""
        return sum(self.work(name).wall for name, *_ in self.commands())


def _environment(prefect_home: Path) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "MLFLOW_TRACKING", "TEMPER_", "DVC_"))}
    own = {"PREFECT_HOME": str(prefect_home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DVC_NO_ANALYTICS": "1"}
    return kept | own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def _processor_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def commands_of_users() -> list[str]:
    """Every module of flows/, serving/ and stages/ that is a program."""
    files = [file for folder in ("flows", "serving", "stages") for file in sorted((ROOT / folder).rglob("*.py"))]
    programs = [file for file in files if re.search(r"^if __name__ ==", file.read_text(encoding="utf-8"), re.MULTILINE)]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in programs]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def prefect_server(clone: Clone) -> Iterator[str]:
    """The address of a Prefect API, up while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    with (clone.root.parent / "server.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(words, env=clone.environment, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}/api"
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"{url}/health") and time.monotonic() < deadline:
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def of_stages(clone: Clone, rounds: int) -> dict[str, Spent]:
    """What each stage's process takes beside its function, when it is run by itself."""
    found: dict[str, list[Spent]] = {}
    for _ in range(rounds):
        for name, *folders in clone.commands():
            spent, _ = clone.run("-m", "flows.stage", name, *folders)
            found.setdefault(name, []).append(spent - clone.work(name))
    return {name: of_middle(several) for name, several in found.items()}


def line(bar: str, what: str, seconds: Spent, why: str = "") -> Comparison:
    """A bar in seconds; `why` is what the time goes to."""
    note = f"{why}{seconds.processor:.2f} s of the processor"
    return Comparison(bar, what, "the bar", "s", seconds.wall, BARS[bar], seconds.wall, BARS[bar], "less", note)


def measure(folder: Path, asked: argparse.Namespace) -> None:
    """Measure all and publish."""
    values = {} if asked.sample else {"train.epochs": asked.epochs}
    rows = None if asked.sample else asked.rows
    by_dvc, alone, by_prefect = (Clone(folder / name, values, rows) for name in ("by_dvc", "alone", "by_prefect"))
    repro, _ = by_dvc.run("-m", "dvc", "repro")
    around = repro.wall - by_dvc.all_work()
    _, printed = alone.run("-c", IN_ONE_PROCESS, json.dumps(by_dvc.commands()), PYTHONPATH=".")
    in_one = float(printed)
    with prefect_server(by_prefect) as url:
        flow, _ = by_prefect.run("-m", "flows.finetune", PREFECT_API_URL=url)
    added = Spent(flow.wall - by_prefect.all_work() - around, flow.processor - repro.processor)
    nothing = of_middle([by_dvc.run("-m", "dvc", "repro")[0] for _ in range(2 * asked.rounds - 1)])
    stages = of_stages(by_dvc, asked.rounds)
    slowest = max(stages, key=lambda name: stages[name].wall)
    helps = {
        name: of_middle([by_dvc.run("-m", name, "--help")[0] for _ in range(2 * asked.rounds - 1)])
        for name in commands_of_users()
    }
    longest = max(helps, key=lambda name: helps[name].wall)
    data = "the whole sample" if asked.sample else f"{asked.rows} rows of the sample, {asked.epochs} epochs"
    pipeline = Comparison(
        "P1c", f"`dvc repro` of all stages, {data}", "in one process", "s", repro.wall, in_one, repro.wall / in_one,
        BARS["P1c"], "less", f"{repro.processor:.0f} s of the processor, {around:.1f} s on the clock beside the work",
    )  # fmt: skip
    comparisons = [
        line("P1a", "`dvc repro` with nothing to do", nothing),
        line("P1b", f"a stage beside its function: {slowest}, the slowest", stages[slowest], OF_STAGES),
        pipeline,
        line("P1d", "what the Prefect flow adds to `dvc repro`, the server being up", added, OF_FLOW),
        line("P2", f"`--help`: {longest}, the slowest", helps[longest]),
    ]
    each = {
        kind: {name: {"wall": round(one.wall, 3), "processor": round(one.processor, 3)} for name, one in found.items()}
        for kind, found in (("stages", stages), ("help", helps))
    }
    print(json.dumps(each, indent=1))
    publish("overhead", comparisons, **each)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300, help="of the sample")
    parser.add_argument("--epochs", type=int, default=1, help="of the stage train")
    parser.add_argument(
        "--rounds", type=int, default=2, help="of each stage by itself; of what is short nearly twice that"
    )
    parser.add_argument("--sample", action="store_true", help="the bundled sample and params.yaml as they are")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), parser.parse_args())


if __name__ == "__main__":
    main()
