"""Rows from files: CSV, TSV, JSON, JSON lines, Parquet, or lines taken apart by a pattern; each may be gzipped.

One file holds all rows (splits are cut, or told by a column), or a folder holds a file for each split.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.params import SPLITS, Split
from stages.shared.plugins import nearest
from stages.shared.sections import Choice
from stages.sources import Row
from stages.sources._records import Input, Record, check_length
from stages.sources._separated import separated
from stages.sources._structured import json_array, json_lines, matched_lines, parquet

_OPTIONAL = ("id", "split")
_SPLIT_WORDS: dict[str, Split] = {  # as data sets call them
    **{split: split for split in SPLITS},
    **dict.fromkeys(("dev", "valid", "val"), "validation"),
}


class Params(Choice):
    name: Literal["file"]
    path: str = Field(min_length=1)
    files: dict[Split, str]
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "lines"]
    encoding: str
    header: Literal[True] | list[str]
    separator: str = Field(pattern=r'^[^"\r\n]$')
    quoting: Literal["double", "none"]
    pattern: str | None
    columns: dict[str, str] = Field(min_length=1)
    max_field_characters: int = Field(gt=0)

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            known = ["utf-8", "utf-16", "cp1252", "latin-1", "gb18030", "big5", "shift_jis", "euc_kr", "cp1251"]
            raise ValueError(f"no such encoding.{nearest(encoding, known)} Some are: {', '.join(known)}") from None
        return encoding

    @model_validator(mode="after")
    def _has_groups(self) -> Self:
        if self.format != "lines":
            return self
        try:
            groups = list(re.compile(self.pattern or "").groupindex)
        except re.error as error:
            raise ValueError(f"pattern: is no regular expression: {error}") from None
        missing = [column for column in self.columns.values() if column not in groups]
        if missing:
            raise ValueError(f"pattern: has no group (?P<{missing[0]}>...) for a column; its groups: {groups}")
        return self


def _check_columns_param(params: Params, wanted: tuple[str, ...]) -> None:
    """Raise ParamsError unless `columns` names a column for each thing that the task wants, and for nothing else."""
    where = "ingest.source.columns"
    allowed = [*wanted, *_OPTIONAL]
    wrong = [f"{where}: does not say which column is '{name}'." for name in wanted if name not in params.columns]
    wrong += [f"{where}.{name}: not known.{nearest(name, allowed)}" for name in params.columns if name not in allowed]
    if "split" in params.columns and params.files:
        wrong.append(f"{where}.split: ingest.source.files tells the splits already. Leave out one of the two.")
    if wrong:
        raise ParamsError("\n".join([*wrong, f"The task needs: {', '.join(wanted)}; possible too: id, split."]))


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    there = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
    listed = f" Files there: {', '.join(there[:20])}." if there else f" There is no folder {path.parent} either."
    raise MachineError(f"{path}: no such file.{nearest(path.name, there)}{listed} Set ingest.source.path and files.")


def _files(path: Path, params: Params) -> dict[str, Path]:
    """Split, or "all": its file.

    Raises:
        ParamsError: `path` and `files` do not go together. MachineError: a file is missing.
    """
    if not path.is_dir():
        _existing(path)
        if params.files:
            raise ParamsError(f"ingest.source.files: {path} is a file, so files must be {{}}. Name its folder in path.")
        return {"all": path}
    if not params.files:
        there = ", ".join(sorted(entry.name for entry in path.iterdir())[:20])
        raise ParamsError(
            f"ingest.source.files: {path} is a folder: say which file is which split, "
            f"as {{train: train.csv, test: test.csv}}. It holds: {there}."
        )
    files: dict[str, Path] = {split: path / params.files[split] for split in SPLITS if split in params.files}
    outside = [name for name in params.files.values() if not (path / name).resolve().is_relative_to(path.resolve())]
    if outside:
        raise ParamsError(f"ingest.source.files: {', '.join(outside)}: lies outside {path}, which DVC watches.")
    return {split: _existing(file) for split, file in files.items()}


def _records(source: Input, params: Params) -> Iterator[Record]:
    match params.format:
        case "csv":
            return separated(source, params.header, params.separator, params.quoting == "double")
        case "tsv":
            return separated(source, params.header, "\t", params.quoting == "double")
        case "json":
            return json_array(source)
        case "jsonl":
            return json_lines(source)
        case "parquet":
            return parquet(source)
        case "lines":
            return matched_lines(source, params.pattern or "")


def _row(source: Input, split: str, record: Record) -> Row:
    place, values, fault = f"{source.name}:{record.number}", record.values, record.fault
    if "split" in values:
        word = str(values["split"]).strip()
        values = {name: value for name, value in values.items() if name != "split"}
        split = _SPLIT_WORDS.get(word.lower(), split)
        if split == "all" and not fault:
            fault = f"split: '{word}' is none of {', '.join(_SPLIT_WORDS)}"
    return Row(split, place, values, fault)


def read(path: Path, params: Params, wanted: tuple[str, ...]) -> Iterator[Row]:
    """Stream the rows of the file, or of the files of the folder in the order train, validation, test.

    Raises:
        ParamsError: `columns`, `path` or `files` do not fit. MachineError: a file is missing.
        DataError: a file is empty, is in another encoding or format, changes meanwhile, has wrong columns or a
            field over the limit.
    """
    _check_columns_param(params, wanted)
    encoding = codecs.lookup(params.encoding).name.removesuffix("-sig")
    for split, file in _files(path, params).items():
        source = Input(file, params.columns, encoding, params.max_field_characters)
        count = 0
        for record in _records(source, params):
            count += 1
            check_length(source, record)
            yield _row(source, split, record)
        if not count:
            raise DataError(f"{file.name}: holds no rows. Check ingest.source.path, or fill the file.")
