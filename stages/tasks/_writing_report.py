"""The part of a report that is about written texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.shared.csv_files import write_csv
from stages.shared.markdown import table

_TENTHS = 10


def nearness_report(out: Path, nearness: Sequence[float], counted: str) -> str:
    """Write how near each text is to what was expected as plots/nearness.csv; give how many are how near, by tenths."""
    write_csv(out / "plots/nearness.csv", ("row", "nearness"), enumerate(nearness))
    places = np.minimum((np.array(nearness) * _TENTHS).astype(int), _TENTHS - 1)
    rows = [
        (f"{tenth / _TENTHS:.1f} to {(tenth + 1) / _TENTHS:.1f}", int((places == tenth).sum()))
        for tenth in range(_TENTHS)
    ]
    return (
        f"## Nearness\n\nchrF2 of each text with what was expected, from 0 to 1 (the same).\n\n"
        f"{table(('nearness', 'texts'), rows)}\nBLEU as `{counted}`.\n"
    )
