"""What sources share: where a file lies and how it is read, one record, its checks, and the row that it becomes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stages.shared.errors import DataError, ParamsError, quoted
from stages.shared.params import SPLITS, Split
from stages.shared.plugins import nearest
from stages.sources import Row

_SPLIT_WORDS: dict[str, Split] = {  # as data sets call them
    **{split: split for split in SPLITS},
    **dict.fromkeys(("dev", "valid", "val"), "validation"),
}
_NOT_TEXT = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Input:
    """One file to read.

    Attributes:
        path: where it lies.
        columns: name that the task asks for: column of the file.
        encoding: the Python name of its encoding.
        max_field_characters: the longest field that is read.
    """

    path: Path
    columns: Mapping[str, str]
    encoding: str
    max_field_characters: int

    @property
    def name(self) -> str:
        """The file's name, for places and messages."""
        return self.path.name

    @property
    def max_line_bytes(self) -> int:
        """The longest line that is held in memory: many fields at their limit, never less than a block."""
        return max(1 << 20, 64 * self.max_field_characters)


class Record(NamedTuple):
    """One row of a file: where it lies in the file, its values by the task's names, and why it cannot be read."""

    number: str
    values: dict[str, Any]
    fault: str | None = None


def check_asked(columns: Mapping[str, str], wanted: Sequence[str], optional: Sequence[str]) -> None:
    """Raise ParamsError unless `columns` names a column for each thing that the task wants, and for nothing unknown."""
    where = "ingest.source.columns"
    allowed = [*wanted, *optional]
    wrong = [f"{where}: does not say which column is '{name}'." for name in wanted if name not in columns]
    wrong += [f"{where}.{name}: not known.{nearest(name, allowed)}" for name in columns if name not in allowed]
    if wrong:
        needs = f"The task needs: {', '.join(wanted)}; possible too: {', '.join(optional)}."
        raise ParamsError("\n".join([*wrong, needs]))


def check_columns(name: str, available: Sequence[str], columns: Mapping[str, str], hint: str = "") -> None:
    """Raise DataError when a column is named twice or one that is needed is not there, with the nearest name."""
    named = [column for column in available if column]
    wrong = [f"column {quoted(c)} occurs {named.count(c)} times." for c in dict.fromkeys(named) if named.count(c) > 1]
    for wanted, column in columns.items():
        if column not in named:
            wrong.append(f"no column '{column}' (ingest.source.columns.{wanted}).{nearest(column, named)}")
    if wrong:
        listed = ", ".join(map(quoted, named[:50]))
        raise DataError(f"{name}: {' '.join(wrong)} Columns of the file: {listed}.{hint} Name each column once.")


def row_of(source: Input, split: str, record: Record) -> Row:
    """The row that a record is; its column `split`, where it has one, tells the split."""
    place, values, fault = f"{source.name}:{record.number}", record.values, record.fault
    if "split" in values:
        word = str(values["split"]).strip()
        values = {name: value for name, value in values.items() if name != "split"}
        split = _SPLIT_WORDS.get(word.lower(), split)
        if split == "all" and not fault:
            fault = f"split: {quoted(word)} is none of {', '.join(_SPLIT_WORDS)}"
    return Row(split, place, values, fault, source.path.parent)


def check_length(source: Input, record: Record) -> None:
    """Raise DataError when a value is longer than `max_field_characters`."""
    for name, value in record.values.items():
        if isinstance(value, str) and len(value) > source.max_field_characters:
            raise too_long(source, record.number, f"column '{source.columns[name]}' holds {len(value):,} characters")


def too_long(source: Input, number: str, what: str) -> DataError:
    """The error of a field over the limit."""
    return DataError(
        f"{source.name}:{number}: {what}; ingest.source.max_field_characters allows {source.max_field_characters:,}. "
        f"Mend the row (a separator or a line end may be missing), or raise the limit."
    )


def text_fault(values: Mapping[str, Any], encoding: str) -> str | None:
    """Why a value is no text: a NUL character, or bytes that the encoding does not know; else None."""
    for name, value in values.items():
        if not isinstance(value, str):
            continue
        if "\0" in value:
            return f"{name}: holds a NUL character"
        if not value.isascii() and _NOT_TEXT.search(value):
            return f"{name}: holds bytes that are not valid {encoding} (see ingest.source.encoding)"
    return None
