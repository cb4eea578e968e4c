"""The file source: line ends, marks, encodings: what bytes become text."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.shared.errors import DataError
from stages.sources._encoding import likely_encodings
from tests.sources.reading import (
    CHINESE,
    EXPECTED,
    FORMATS,
    FRENCH,
    PLAIN,
    Write,
    faults,
    pairs,
    rows_of,
)


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_do_not_matter(end: bytes, last: bool, write: Write) -> None:
    content = PLAIN if last else PLAIN.rstrip(b"\n")
    assert pairs(rows_of(write(content.replace(b"\n", end)))) == EXPECTED


@pytest.mark.parametrize("odd", ["\u0085", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "lines"])
def test_other_line_characters_end_no_row(odd: str, kind: str, write: Write) -> None:
    contents = {
        "csv": f"text,label\na{odd}b,pos\n",
        "jsonl": json.dumps({"text": f"a{odd}b", "label": "pos"}, ensure_ascii=False),
        "lines": f"pos a{odd}b\n",
    }
    options = {"format": kind, "pattern": r"(?P<label>\w+) (?P<text>(?s:.*))"}
    assert pairs(rows_of(write(contents[kind]), **options)) == [(f"a{odd}b", "pos")]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "lines"])
def test_a_byte_order_mark_is_no_part_of_the_first_value(kind: str, write: Write) -> None:
    content, options = FORMATS[kind]
    assert pairs(rows_of(write(b"\xef\xbb\xbf" + content), **options)) == EXPECTED


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_words_for_nothing_are_text(kind: str, write: Write, tmp_path: Path) -> None:
    words = ["null", "NA", "None", "nan", "N/A", ""]
    rows = [{"text": word, "label": word} for word in words]
    contents = {
        "csv": ("text,label\n" + "".join(f"{word},{word}\n" for word in words)).encode(),
        "jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "parquet": b"",
    }
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "made")
        contents[kind] = (tmp_path / "made").read_bytes()
    assert pairs(rows_of(write(contents[kind]), format=kind)) == [(word, word) for word in words]


@pytest.mark.parametrize(
    ("encoding", "likely", "texts"),
    [
        ("gbk", "gb18030", CHINESE),
        ("utf-16", "utf-16", FRENCH),
        ("utf-16-le", "utf-16-le", FRENCH),
        ("utf-16-be", "utf-16-be", FRENCH),
        ("utf-32", "utf-32", FRENCH),
        ("latin-1", "cp1252", FRENCH),
        ("cp1252", "cp1252", FRENCH),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_another_encoding_is_named(kind: str, encoding: str, likely: str, texts: list[str], write: Write) -> None:
    rows = [{"text": text, "label": "pos"} for text in texts]
    content = {
        "csv": "text,label\n" + "".join(f"{text},pos\n" for text in texts),
        "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    }[kind]
    path = write(content.encode(encoding))
    with pytest.raises(DataError, match=f"ingest.source.encoding: {likely}"):
        rows_of(path, format=kind)
    assert [text for text, _ in pairs(rows_of(path, format=kind, encoding=likely))] == texts


def test_the_first_odd_byte_may_come_late(write: Write) -> None:
    start = "text,label\n" + f"{'plain ' * 16},pos\n" * 12_000
    path = write(start.encode() + "".join(f"{text},pos\n" for text in FRENCH).encode("latin-1"))
    with pytest.raises(DataError, match=rf":12002: .* byte 0xE9 at byte offset {len(start) + 1:,} .*cp1252 or latin-1"):
        rows_of(path)


def test_a_header_in_another_encoding_is_named(write: Write) -> None:
    path = write("文本,标签\n好,是\n".encode("gbk"))
    with pytest.raises(DataError, match="is not utf-8: byte 0xCE"):
        rows_of(path, columns={"text": "文本", "label": "标签"})


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("cp1252", "\n".join(FRENCH).encode()),
        ("latin-1", "\n".join(CHINESE).encode()),
        ("gbk", "\n".join(CHINESE).encode()),
        ("utf-16", "\n".join(CHINESE).encode()),
        ("cp1252", b"\xef\xbb\xbfplain"),
        ("latin-1", "\n".join(CHINESE).encode("gbk")),
    ],
)
def test_a_wrong_declaration_never_garbles_the_text(declared: str, content: bytes, write: Write) -> None:
    with pytest.raises(DataError, match=r"ingest\.source\.encoding: (utf-8|gb18030)"):
        rows_of(write(content), format="lines", pattern="(?P<text>(?P<label>.*))", encoding=declared)


def test_a_damaged_row_is_set_aside(write: Write) -> None:
    content = "text,label\nschön,pos\nschlecht\xff,neg\n".encode("latin-1")
    content = content.replace("ö".encode("latin-1"), "ö".encode())
    rows = rows_of(write(content))
    assert pairs(rows) == [("schön", "pos")]
    assert faults(rows) == [("rows.csv:3", "text: holds bytes that are not valid utf-8 (see ingest.source.encoding)")]


def test_many_damaged_rows_among_more_good_ones_are_set_aside(write: Write) -> None:
    content = b"text,label\n" + "schön,pos\n".encode() * 6 + b"b\xe4d,neg\n" * 5
    rows = rows_of(write(content))
    assert len(pairs(rows)) == 6
    assert len(faults(rows)) == 5


def test_damage_in_a_column_that_is_not_read_is_no_fault(write: Write) -> None:
    assert pairs(rows_of(write(b"text,label,note\nGood.,pos,\xff\nBad.,neg,\0\n"))) == EXPECTED


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "shift_jis", "cp1251", "cp1252"])
def test_likely_encodings_decode_the_sample(encoding: str) -> None:
    texts = {
        "gb18030": "".join(CHINESE) * 3,
        "big5": "這家飯店的早餐很好，房間很小而且很吵，服務態度讓人滿意。" * 2,
        "shift_jis": "このホテルの朝食はとても良かったです。部屋は少し狭いです。" * 2,
        "cp1251": "Очень хороший товар, рекомендую всем. Доставка была быстрой." * 2,
        "cp1252": "\n".join(FRENCH),
    }
    guessed = likely_encodings(texts[encoding].encode(encoding))
    assert guessed[0] == encoding


def test_utf_16_without_its_mark_is_an_error_that_says_so(write: Write) -> None:
    path = write("text,label\ngut,pos\n".encode("utf-16-be"))
    with pytest.raises(DataError, match=r"is not utf-16: .*BOM.*utf-16-le where no byte order mark says it"):
        rows_of(path, encoding="utf-16")
    assert pairs(rows_of(path, encoding="utf-16-be")) == [("gut", "pos")]
