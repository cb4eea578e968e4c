"""What a machine has, and what a piece of work took of it."""

import os
import platform
import resource
import sys
from pathlib import Path


def peak_memory() -> int:
    """The most memory, in bytes, that this process has held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_flags() -> str:
    """The vector extensions of the CPU that decide which kernels compute, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    kept = sorted(flag for flag in flags if flag.startswith(("avx", "amx", "fma", "sse4")))
    less = os.environ.get("ATEN_CPU_CAPABILITY")  # torch computes as if the CPU had no more than this
    return " ".join([*kept, *([f"ATEN_CPU_CAPABILITY={less}"] if less else [])])
