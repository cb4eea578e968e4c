"""Where rows come from. A source is a file of this folder that has:

class Params(Choice)             its options in params.yaml; `path`, what DVC watches, is one of them
def read(path, params, wanted)   the rows, streamed, in the order of the source
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Row:
    """One row as the source has it.

    Attributes:
        split: `train`, `validation` or `test` where the source gives splits, else "all".
        place: where the user finds the row, as `reviews.csv:57`.
        values: name that the task asks for (`text`, `label`, `id` ...): the value, as text where the file has text;
            `entities` as a list of {start, end (excluded), label}, `answers` of {text, start}.
        fault: why the row cannot be read, else None; `values` then holds what could be.
        folder: what paths in the values are relative to, where the row comes from files.
    """

    split: str
    place: str
    values: dict[str, Any]
    fault: str | None = None
    folder: Path | None = None


class Source(Protocol):
    """What a file of this folder provides."""

    def read(self, path: Path, params: Any, wanted: tuple[str, ...]) -> Iterator[Row]:
        """Stream the rows. Every row of the source comes out once, readable or with its fault.

        Args:
            path: the file or folder that dvc.yaml names.
            params: the source's own Params.
            wanted: the columns that the task asks for.

        Raises:
            MachineError: a file is missing. DataError: a file cannot be read as the parameters say.
        """
        ...
