"""Rows from files: tables, JSON, CoNLL columns, SQuAD, parallel files, lines taken apart; each may be gzipped.

One file holds all rows (splits are cut, or told by a column), or a folder holds a file for each split.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from stages.shared.errors import DataError, ParamsError
from stages.shared.params import Split
from stages.shared.plugins import nearest
from stages.shared.sections import Choice
from stages.sources import Row
from stages.sources._answers import answers_from
from stages.sources._conll import Conll, conll
from stages.sources._parallel import parallel
from stages.sources._places import parallel_files, whole_files
from stages.sources._records import Input, Record, check_asked, check_length, row_of
from stages.sources._separated import separated
from stages.sources._spans import Ends, with_spans
from stages.sources._squad import squad
from stages.sources._structured import json_array, json_lines, matched_lines, parquet


class Params(Choice):
    """Options of the source; the bundled params.yaml says what each means."""

    name: Literal["file"]
    path: str = Field(min_length=1)
    files: dict[Split, str]
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "lines", "conll", "squad", "parallel"]
    encoding: str
    header: Literal[True] | list[str]
    separator: str = Field(pattern=r'^[^"\r\n]$')
    quoting: Literal["double", "none"]
    pattern: str | None
    conll: Conll | None
    spans: Ends | None
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
    def _says_what_entities_are(self) -> Self:
        if self.format == "conll" and self.conll is None:
            raise ValueError("conll: format is conll, so it must say {scheme, token, tag, joiner}")
        if "entities" in self.columns and self.format != "conll" and self.spans is None:
            raise ValueError("spans: say exclusive, or inclusive where an entity's end is its last character")
        return self

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


def _inputs(path: Path, params: Params) -> Iterator[tuple[str, Input, dict[str, Path]]]:
    """Each split, or "all", with its file; and with the files of each ending where it has several."""
    encoding = codecs.lookup(params.encoding).name.removesuffix("-sig")
    if params.format == "parallel":
        endings = list(dict.fromkeys(params.columns.values()))
        for split, files in parallel_files(path, params.files, endings).items():
            yield split, Input(files[endings[0]], params.columns, encoding, params.max_field_characters), files
    else:
        for split, file in whole_files(path, params.files).items():
            yield split, Input(file, params.columns, encoding, params.max_field_characters), {}


def _records(source: Input, files: dict[str, Path], params: Params) -> Iterator[Record]:
    quoted = params.quoting == "double"
    match params.format:
        case "csv":
            return separated(source, params.header, params.separator, quoted)
        case "tsv":
            return separated(source, params.header, "\t", quoted)
        case "json":
            return json_array(source)
        case "jsonl":
            return json_lines(source)
        case "parquet":
            return parquet(source)
        case "lines":
            return matched_lines(source, params.pattern or "")
        case "conll":
            return conll(source, cast(Conll, params.conll))
        case "squad":
            return squad(source)
        case "parallel":
            return parallel(source, files)


def _in_one_form(record: Record, ends: Ends | None) -> Record:
    """The record with entities and answers as a task has them, whatever the file's form."""
    values = record.values
    try:
        if ends and not record.fault:
            values = with_spans(values, ends)
        if "answers" in values and not record.fault:
            values = {**values, "answers": answers_from(values["answers"])}
    except ValueError as error:
        return record._replace(fault=str(error))
    return record._replace(values=values) if values is not record.values else record


def read(path: Path, params: Params, wanted: tuple[str, ...]) -> Iterator[Row]:
    """Stream the rows of the file, or of the files of the folder in the order train, validation, test.

    Raises:
        ParamsError: `columns`, `path` or `files` do not fit. MachineError: a file is missing.
        DataError: a file is empty, is in another encoding or format, changes meanwhile, has wrong columns or a
            field over the limit.
    """
    check_asked(params.columns, wanted, ("id", "split"))
    if "split" in params.columns and params.files:
        where = "ingest.source.columns.split"
        raise ParamsError(f"{where}: ingest.source.files tells the splits already. Leave out one of the two.")
    ends = params.spans if "entities" in params.columns and params.format != "conll" else None
    for split, source, files in _inputs(path, params):
        count = 0
        for record in _records(source, files, params):
            count += 1
            check_length(source, record)
            yield row_of(source, split, _in_one_form(record, ends))
        if not count:
            raise DataError(f"{source.name}: holds no rows. Check ingest.source.path, or fill the file.")
