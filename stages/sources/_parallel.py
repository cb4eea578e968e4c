"""Parallel files: line n of each is one row, as `train.en` and `train.de`."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from stages.shared.errors import DataError
from stages.sources._encoding import Lines
from stages.sources._records import Input, Record, text_fault


def parallel(source: Input, files: Mapping[str, Path]) -> Iterator[Record]:
    """A record for each line, also for an empty one: to leave it out would shift nothing, but lose a row.

    Args:
        source: how the files are read; its columns name their endings.
        files: the file of each ending.

    Raises:
        DataError: the files have different numbers of lines, or one is in another encoding.
    """
    lines = {ending: Lines(replace(source, path=path)) for ending, path in files.items()}
    streams = [iter(each) for each in lines.values()]
    for number, found in enumerate(zip_longest(*streams), start=1):
        if None in found:
            break
        by_ending = dict(zip(lines, (line.rstrip("\r\n") for line in found), strict=True))
        values = {name: by_ending[ending] for name, ending in source.columns.items()}
        yield Record(str(number), values, text_fault(values, source.encoding))
    for stream in streams:
        deque(stream, maxlen=0)  # to its end, for the count
    counts = {path.name: lines[ending].read for ending, path in files.items()}
    if len(set(counts.values())) > 1:
        listed = " and ".join(f"{name} has {count:,} lines" for name, count in counts.items())
        raise DataError(f"{listed}: line n of each must be of the same row. Mend the files, or fetch them again.")
