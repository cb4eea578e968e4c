"""What the parameters need and the machine lacks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from flows.doctoring import Finding
from flows.preflight import check_before_anything_runs
from stages.shared.errors import TemperError

LEAST_FREE = 10**9  # bytes: a base model, and what a small run writes


def look() -> Iterator[Finding]:
    """Faults of params.yaml, programs, packages and files that are not there, and little room on the disk."""
    try:
        check_before_anything_runs()
    except TemperError as error:
        for line in str(error).splitlines():
            yield Finding(line, "")
    outputs = sum(path.stat().st_size for path in Path("data").rglob("*") if path.is_file())
    needed, free = max(LEAST_FREE, 2 * outputs), shutil.disk_usage(Path()).free
    if free < needed:  # a new output is written before the old one goes, and once more into the cache
        yield Finding(f"the disk has {free / 1e9:.1f} GB free, a run may need {needed / 1e9:.1f} GB", "Free some.")
