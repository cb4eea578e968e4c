"""The file source: loose quotes, NUL bytes, long fields, and files that are cut, missing or change."""

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.sources import _bytes
from stages.sources.file import Params, read
from tests.sources.reading import (
    FORMATS,
    OPTIONS,
    PLAIN,
    Write,
    faults,
    pairs,
    parquet_bytes,
    rows_of,
)


def test_an_unclosed_quote_costs_its_own_row_alone(write: Write) -> None:
    lines = ["text,label", "a,pos", '"open,pos', "b,neg", "c,pos", '"quoted, as due",neg', '"two\nlines",pos', "d,neg"]
    rows = rows_of(write("\n".join(lines)))
    assert [text for text, _ in pairs(rows)] == ["a", "b", "c", "quoted, as due", "two\nlines", "d"]
    assert [place for place, _ in faults(rows)] == ["rows.csv:3"]


@pytest.mark.parametrize("after", [3, 400], ids=["to the end of the file", "over the limit of a field"])
def test_an_unclosed_quote_without_another_swallows_nothing(after: int, write: Write) -> None:
    rows = rows_of(write('text,label\n"open,pos\n' + "b,neg\n" * after))
    assert len(pairs(rows)) == after
    assert [place for place, _ in faults(rows)] == ["rows.csv:2"]


def test_text_after_a_closed_quote_is_a_fault(write: Write) -> None:
    rows = rows_of(write('text,label\n"a" b,pos\nc,neg\n'))
    assert pairs(rows) == [("c", "neg")]
    assert len(faults(rows)) == 1


def test_a_broken_record_of_two_lines_leaves_no_fragment(write: Write) -> None:
    rows = rows_of(write('text,label\n"one\ntwo"x,pos\nc,neg\n'))
    assert pairs(rows) == [("c", "neg")]
    assert [place for place, _ in faults(rows)] == ["rows.csv:2", "rows.csv:3"]


def test_every_line_is_accounted_for_whatever_the_quotes(write: Write) -> None:
    draw = random.Random(5)
    for _ in range(300):
        body = ["".join(draw.choices('ab",\n', k=9)) for _ in range(6)]
        content = "text,label\n" + "\n".join(body) + "\n"
        rows = rows_of(write(content))
        starts = [int(row.place.partition(":")[2]) for row in rows]
        assert starts == sorted(set(starts))
        filled = {number for number, line in enumerate(content.splitlines(), start=1) if line} - {1}
        inside = {
            number + offset
            for number, row in zip(starts, rows, strict=True)
            for offset in range(1 + "".join(map(str, row.values.values())).count("\n"))
        }
        assert filled <= inside


def test_a_nul_byte_rejects_its_row_and_cuts_nothing(write: Write) -> None:
    rows = rows_of(write(b"text,label\nGood\0 indeed,pos\nBad.,neg\n"))
    assert pairs(rows) == [("Bad.", "neg")]
    assert rows[0].fault == "text: holds a NUL character"
    assert rows[0].values["text"] == "Good\0 indeed"


def test_a_row_with_other_fields_than_the_header_is_a_fault(write: Write) -> None:
    rows = rows_of(write("text,label\na,b,pos\nc\nd,neg\n"))
    assert pairs(rows) == [("d", "neg")]
    assert [fault for _, fault in faults(rows)] == [f"{count} fields where there are 2 columns" for count in (3, 1)]


def test_a_text_that_stands_where_a_header_should_is_not_quoted(write: Write) -> None:
    with pytest.raises(
        DataError, match=r"no column 'text' .* Columns of the file: a text of 59 characters, 'pos'"
    ) as error:
        rows_of(write("My name and address are of no concern to those who log this,pos\nb,neg\n"))
    assert "address" not in str(error.value)


LONG = "x" * 101


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("csv", f"text,label\n{LONG},pos\n"),
        ("csv", f'text,label\n"{LONG}",pos\n'),
        ("jsonl", json.dumps({"text": LONG, "label": "pos"})),
        ("json", json.dumps([{"text": LONG, "label": "pos"}])),
        ("lines", f"pos {LONG}\n"),
    ],
)
def test_a_field_over_the_limit_is_an_error(kind: str, content: str, write: Write) -> None:
    with pytest.raises(DataError, match=r"ingest\.source\.max_field_characters allows 100\."):
        rows_of(write(content), format=kind, pattern=r"(?P<label>\w+) (?P<text>.*)")


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "lines"])
def test_an_endless_line_is_not_held_in_memory(kind: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = 0
    original = _bytes.blocks

    def counted(path: Path) -> Iterator[bytes]:
        nonlocal read_bytes
        for block in original(path):
            read_bytes += len(block)
            yield block

    monkeypatch.setattr("stages.sources._encoding.blocks", counted)
    path = write(b'[{"text": "' + b"x" * (8 << 20))
    with pytest.raises(DataError, match="max_field_characters"):
        rows_of(path, format=kind, pattern="(?P<text>(?P<label>.*))")
    assert read_bytes <= 4 << 20


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *((kind, content) for kind in ("csv", "tsv", "json", "jsonl", "lines") for content in ("", "\n\n")),
        ("csv", "text,label\n"),
        ("tsv", "text\tlabel"),
        ("json", " [ ] "),
    ],
)
def test_a_file_without_rows_is_an_error(kind: str, content: str, write: Write) -> None:
    with pytest.raises(DataError, match=r"rows\.csv: (is empty|holds no rows)"):
        rows_of(write(content), format=kind, pattern="(?P<text>(?P<label>.*))")


def test_a_missing_file_is_named_with_the_nearest(write: Write, tmp_path: Path) -> None:
    write(PLAIN, "reviews.csv")
    with pytest.raises(MachineError, match=r"no such file\. Did you mean 'reviews\.csv'\?"):
        rows_of(tmp_path / "review.csv")
    with pytest.raises(MachineError, match=r"no such file\. Did you mean 'reviews\.csv'\?"):
        rows_of(tmp_path, files={"train": "revews.csv"})


def test_path_and_files_must_go_together(write: Write, tmp_path: Path) -> None:
    path = write(PLAIN)
    with pytest.raises(ParamsError, match=r"say which file is which split.*rows\.csv"):
        rows_of(tmp_path)
    with pytest.raises(ParamsError, match="is a file, so files must be"):
        rows_of(path, files={"train": "rows.csv"})
    with pytest.raises(ParamsError, match="lies outside"):
        rows_of(tmp_path, files={"train": "../rows.csv"})
    with pytest.raises(ParamsError, match="tells the splits already"):
        rows_of(tmp_path, files={"train": "rows.csv"}, columns={"text": "text", "label": "label", "split": "s"})


@pytest.mark.parametrize("cut", [5, 20, 30])
def test_a_cut_gzip_file_is_an_error(cut: int, write: Write) -> None:
    with pytest.raises(DataError, match="cut or damaged"):
        rows_of(write(gzip.compress(PLAIN)[:cut]))


def test_a_flipped_bit_in_a_gzip_file_is_an_error(write: Write) -> None:
    packed = bytearray(gzip.compress(PLAIN))
    packed[-6] ^= 1
    with pytest.raises(DataError, match="cut or damaged"):
        rows_of(write(bytes(packed)))


def test_a_gzip_bomb_is_refused_early(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bytes, "RATIO_FROM", 2 << 20)
    path = write(gzip.compress(b"a" * 8_000_000))
    with pytest.raises(DataError, match=r"unpacks to more than 200 times its size.*seen after [23],\d{3},\d{3} bytes"):
        list(_bytes.blocks(path))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"PK\x03\x04", "zip archive or a spreadsheet"),
        (b"PAR1", "format: parquet"),
        (gzip.compress(gzip.compress(PLAIN, mtime=0), mtime=0), "gzipped twice"),
    ],
)
def test_other_kinds_of_file_are_named(head: bytes, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        rows_of(write(head + (b"" if head[:1] == b"\x1f" else b"more")))


def test_what_is_no_parquet_file_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match="is no Parquet file, or is cut"):
        rows_of(write(PLAIN), format="parquet")


def test_bad_utf8_in_a_parquet_file_rejects_its_row_alone(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"b\xe4d", b"fine"]).cast(pa.binary())
    bad = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"text": bad, "label": ["x", "y", "z"]}), tmp_path / "rows")
    rows = rows_of(tmp_path / "rows", format="parquet")
    assert pairs(rows) == [("good", "x"), ("fine", "z")]
    assert [place for place, _ in faults(rows)] == ["rows:row 2"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_changes_while_it_is_read_is_an_error(kind: str, write: Write, tmp_path: Path) -> None:
    content, options = FORMATS[kind]
    path = write(content or parquet_bytes(tmp_path))
    rows = read(path, Params.model_validate(OPTIONS | options), ("text", "label"))
    next(rows)
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="changed while it was read"):
        list(rows)
