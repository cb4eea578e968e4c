"""How everything here is compared: the ways take turns, medians count, and the machine stands beside the figures.

A benchmark makes its comparisons by `interleaved`, and gives them to `publish`, which prints them and writes
benchmarks/results/<name>.json. `python -m benchmarks.table` makes the table of benchmarks/README.md of all of these.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime", "ctranslate2", "mlflow", "prefect", "dvc")


@dataclass(frozen=True)
class Comparison:
    """One line of the table.

    Attributes:
        bar: its short name, as T1.
        what: what is compared, on what.
        peer: what ours is compared with.
        unit: of both figures.
        ours, against: the medians.
        ratio: what the bar is about: how many times faster, or a share.
        wanted: the bar.
        better: whether more or less than the bar is good.
        note: what holds it back, where it is missed, or what else is to know.
    """

    bar: str
    what: str
    peer: str
    unit: str
    ours: float
    against: float
    ratio: float
    wanted: float
    better: Literal["more", "less"]
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the ratio is on the good side of the bar."""
        return self.ratio >= self.wanted if self.better == "more" else self.ratio <= self.wanted


def seconds_of(way: Callable[[], object]) -> float:
    """The wall seconds of one call."""
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median figure of each way over rounds in which they take turns, so that a noisy minute hits them alike.

    A way gives its own figure, such as examples a second. The order turns round by one with each round.
    """
    names = list(ways)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(ways[name]())
    return {name: statistics.median(figures) for name, figures in found.items()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    told = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_bf16", "amx_int8") if flag in flags.split()]
    return f"{named[0] if named else platform.machine()} ({', '.join(told)})"


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, system, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gibibytes": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version_of(name))},
    }


def line_of(one: Comparison) -> str:
    """A comparison in one printed line."""
    sign = ">=" if one.better == "more" else "<="
    verdict = "met" if one.is_met else "MISSED"
    figures = f"ours {one.ours:,.4g}, {one.peer} {one.against:,.4g} {one.unit}"
    return f"{one.bar:<4}{one.what}: {figures}; {one.ratio:.3g} (bar {sign} {one.wanted:g}): {verdict}"


def publish(name: str, comparisons: list[Comparison], **also: Any) -> None:
    """Print the comparisons and write them with the machine, the date and what else was measured."""
    for one in comparisons:
        print(line_of(one))
    RESULTS.mkdir(exist_ok=True)
    lines = [asdict(one) | {"met": one.is_met} for one in comparisons]
    value = {"name": name, "date": date.today().isoformat(), "machine": machine(), "comparisons": lines, **also}
    (RESULTS / f"{name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
