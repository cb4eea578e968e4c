"""The file source: formats, columns, and the parameters that name them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from stages.shared.errors import DataError, ParamsError
from stages.sources import _bytes
from stages.sources.file import Params
from tests.sources.reading import (
    EXPECTED,
    FORMATS,
    OPTIONS,
    PLAIN,
    Write,
    faults,
    pairs,
    parquet_bytes,
    rows_of,
)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_rows(kind: str, packed: bool, write: Write, tmp_path: Path) -> None:
    content, options = FORMATS[kind]
    content = content or parquet_bytes(tmp_path)
    rows = rows_of(write(gzip.compress(content) if packed else content, "rows"), **options)
    assert pairs(rows) == EXPECTED
    assert faults(rows) == []
    assert {row.split for row in rows} == {"all"}


def test_places_are_lines_of_the_file(write: Write) -> None:
    rows = rows_of(write('text,label\n"two\nlines",pos\n\nnext,neg\n'))
    assert [row.place for row in rows] == ["rows.csv:2", "rows.csv:5"]


def test_a_folder_holds_a_file_for_each_split(write: Write, tmp_path: Path) -> None:
    write(PLAIN, "a.csv")
    write("text,label\nx,pos\n", "b.csv")
    rows = rows_of(tmp_path, files={"test": "b.csv", "train": "a.csv"})
    assert [(row.split, row.place) for row in rows] == [("train", "a.csv:2"), ("train", "a.csv:3"), ("test", "b.csv:2")]


def test_a_column_tells_the_split(write: Write) -> None:
    path = write("text,label,part\na,pos,train\nb,pos,dev\nc,pos,Test\nd,pos,other\n")
    rows = rows_of(path, columns={"text": "text", "label": "label", "split": "part"})
    assert [row.split for row in rows][:3] == ["train", "validation", "test"]
    assert faults(rows) == [("rows.csv:5", "split: 'other' is none of train, validation, test, dev, valid, val")]
    assert "split" not in rows[0].values


def test_quoting_none_takes_quotes_as_characters(write: Write) -> None:
    path = write('text\tlabel\n"open\tpos\n5" screen\tneg\n')
    assert pairs(rows_of(path, format="tsv", quoting="none")) == [('"open', "pos"), ('5" screen', "neg")]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_a_wrong_column_name_is_an_error_with_the_nearest(kind: str, write: Write, tmp_path: Path) -> None:
    content, options = FORMATS[kind]
    path = write(content or parquet_bytes(tmp_path))
    with pytest.raises(DataError, match=r"no column 'lable' \(ingest.source.columns.label\). Did you mean 'label'\?"):
        rows_of(path, columns={"text": "text", "label": "lable"}, **options)


def test_a_wrong_separator_is_suspected(write: Write) -> None:
    with pytest.raises(DataError, match=r"Is ingest\.source\.separator right\?"):
        rows_of(write(PLAIN.replace(b",", b";")))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_two_columns_of_one_name_are_an_error(kind: str, write: Write, tmp_path: Path) -> None:
    content = b"text,label,text\na,pos,b\n"
    if kind == "parquet":
        pq.write_table(pa.table([["a"], ["b"], ["c"]], names=["text", "label", "text"]), tmp_path / "made")
        content = (tmp_path / "made").read_bytes()
    with pytest.raises(DataError, match="column 'text' occurs 2 times"):
        rows_of(write(content), format=kind)


def test_columns_without_a_name_are_left_alone(write: Write) -> None:
    assert pairs(rows_of(write("text,label,,\nGood.,pos,,\nBad.,neg,,\n"))) == EXPECTED


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": "text"}, "does not say which column is 'label'"),
        ({"text": "text", "label": "label", "lable": "x"}, r"columns\.lable: not known. Did you mean 'label'\?"),
    ],
)
def test_columns_must_be_those_of_the_task(columns: dict[str, str], message: str, write: Write) -> None:
    with pytest.raises(ParamsError, match=message):
        rows_of(write(PLAIN), columns=columns)


def test_odd_json_rows_are_set_aside(write: Write) -> None:
    lines = ['{"text": "a", "label": 1}', "[1]", "null", '{"text": "b"}', "{", '{"text": "\\ud800", "label": "x"}']
    rows = rows_of(write("\n".join(lines)), format="jsonl")
    assert pairs(rows) == [("a", 1)]
    assert [fault.partition(":")[0] for _, fault in faults(rows)] == [
        "is no JSON object but a list",
        "is no JSON object but null",
        "has no 'label'",
        "is no JSON",
        "text",
    ]


def test_odd_items_of_an_array_are_set_aside(write: Write) -> None:
    rows = rows_of(write('[{"text": "a", "label": true}, "b", 3, {"text": "\\u0000", "label": ""}]'), format="json")
    assert pairs(rows) == [("a", True)]
    assert [place for place, _ in faults(rows)] == ["rows.csv:item 2", "rows.csv:item 3", "rows.csv:item 4"]


def test_an_array_is_read_in_pieces(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bytes, "BLOCK", 3)
    items = [{"text": f"é{number} ]}}{{,", "label": str(number)} for number in range(50)]
    rows = rows_of(write(json.dumps(items, ensure_ascii=False)), format="json")
    assert pairs(rows) == [(item["text"], item["label"]) for item in items]


@pytest.mark.parametrize(
    "content",
    ['{"text": "a"}', "[{]", '[{"text": "a", "label": "b"} {}]', '[{"text": "a", "label": "b"}', "[{}] x", "[{},]"],
)
def test_what_is_no_array_is_an_error_with_its_line(content: str, write: Write) -> None:
    with pytest.raises(DataError, match=r"rows\.csv:3: is no JSON array of objects"):
        rows_of(write("\n\n" + content), format="json")


def test_an_array_given_as_lines_is_named(write: Write) -> None:
    with pytest.raises(DataError, match=r"ingest\.source\.format: json\."):
        rows_of(write('[\n{"text": "a", "label": "b"}\n]'), format="jsonl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "utf8x"}, "no such encoding. Did you mean 'utf-8'"),
        ({"encoding": "base64"}, "no such encoding"),
        ({"format": "lines", "pattern": "("}, "is no regular expression"),
        ({"format": "lines", "pattern": "(?P<text>.*)"}, r"no group \(\?P<label>"),
        ({"format": "lines", "pattern": None}, r"no group \(\?P<text>"),
        ({"separator": "||"}, "separator"),
        ({"header": False}, "header"),
        ({"files": {"dev": "x"}}, "files.dev"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Params.model_validate(OPTIONS | options)


def test_a_file_without_a_header_is_asked_about(write: Write) -> None:
    with pytest.raises(DataError, match=r"no column 'text' .* Is the first line data\?.*ingest\.source\.header"):
        rows_of(write(b"ham,See you there.\nspam,Win now!\n"))
