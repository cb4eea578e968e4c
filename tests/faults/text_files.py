"""Hostile files: encodings, marks, NUL bytes, quotes, line ends, long fields, wrong columns, nothing at all."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.cases import FORMS, TABLES, TEXTS, Case, Fault, Must, Row, content_of, good_rows, lines_with, written
from tests.sources.reading import CHINESE, FRENCH

LINES = ("csv", "tsv", "jsonl")
_BAD = b"A d\xe4maged row of the file"


def _row_bytes(form: str, text: bytes, label: bytes = b"positive") -> bytes:
    """One row of a file of lines, its bytes as they are."""
    if form == "jsonl":
        return b'{"text": "%s", "label": "%s"}' % (text, label)
    return text + (b"," if form == "csv" else b"\t") + label


def _mark(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    return Case(written(folder, form, b"\xef\xbb\xbf" + content_of(form, rows)), Must("R"), rows)


def _mark_before_a_quote(folder: Path, form: str, draw: Random) -> Case:
    rows, separator = good_rows(), b"," if form == "csv" else b"\t"
    body = content_of(form, rows).partition(b"\n")[2]
    return Case(written(folder, form, b'\xef\xbb\xbf"text"%s"label"\n%s' % (separator, body)), Must("R"), rows)


def _encoded(encoding: str, likely: str, texts: list[str]) -> Any:
    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = [(f"{text}{number}", "positive") for number in range(12) for text in draw.sample(texts, len(texts))]
        content = content_of(form, rows).decode().encode(encoding)
        return Case(written(folder, form, content), Must("E", (f"ingest.source.encoding: {likely}",)))

    return make


def _declared(encoding: str, texts: list[str]) -> Any:
    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = [(f"{text}{number}", "positive") for number in range(12) for text in draw.sample(texts, len(texts))]
        content = content_of(form, rows).decode().encode(encoding)
        return Case(written(folder, form, content), Must("R"), rows, {"ingest.source.encoding": encoding})

    return make


def _late_odd_byte(folder: Path, form: str, draw: Random) -> Case:
    plain = [(f"{'plain ' * 16}{number}", "positive") for number in range(12_000 + draw.randrange(100))]
    content = content_of(form, plain) + content_of(form, [(text, "positive") for text in FRENCH]).decode().encode(
        "latin-1"
    )
    return Case(written(folder, form, content), Must("E", ("byte 0xE9", "ingest.source.encoding: cp1252")))


def _damaged_row(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    must = Must("Q", ("not valid utf-8",), aside=1)
    if form != "parquet":
        return Case(written(folder, form, lines_with(content_of(form, rows), _row_bytes(form, _BAD), draw)), must, rows)
    place = draw.randrange(len(rows))
    texts = [text.encode() for text, _ in rows]
    raw = pa.array([*texts[:place], _BAD, *texts[place:]], pa.binary())
    labels = [label for _, label in rows]
    labels.insert(place, "positive")
    bad = pa.StringArray.from_buffers(len(raw), *raw.buffers()[1:])
    pq.write_table(pa.table({"text": bad, "label": labels}), folder / "rows.parquet")
    return Case(folder / "rows.parquet", must, rows)


def _nul(folder: Path, form: str, draw: Random) -> Case:
    rows, bad = good_rows(), ("Good\0 indeed, and a long text after it", "positive")
    must = Must("Q", ("NUL",), aside=1)
    place = draw.randrange(len(rows))
    return Case(written(folder, form, content_of(form, [*rows[:place], bad, *rows[place:]])), must, rows)


def _words_for_nothing(folder: Path, form: str, draw: Random) -> Case:
    words = ["null", "NULL", "NA", "N/A", "None", "nan", "NaN", "n/a", "<NA>", "#N/A"]
    rows = [*good_rows(), *((word, "positive") for word in words), *((f"A label, {word}.", word) for word in words)]
    draw.shuffle(rows)
    return Case(written(folder, form, content_of(form, rows)), Must("R"), rows)


def _no_value(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    everything: list[Any] = [*rows, (None, "positive")]
    draw.shuffle(everything)
    return Case(written(folder, form, content_of(form, everything)), Must("Q", ("no value",), aside=1), rows)


def _unclosed_quote(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    content = lines_with(content_of(form, rows), _row_bytes(form, b'"opened and never closed'), draw)
    return Case(written(folder, form, content), Must("Q", ("quote",), aside=1), rows)


def _many_unclosed_quotes(folder: Path, form: str, draw: Random) -> Case:
    content = content_of(form, good_rows())
    for _ in range(40):
        content = lines_with(content, _row_bytes(form, b'"opened and never closed'), draw)
    return Case(written(folder, form, content), Must("E", ("a quote", "rows cannot be read")))


def long_field(characters: int) -> Any:
    """A file with one field of so many characters."""

    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = good_rows()
        rows.insert(draw.randrange(len(rows)), ("x" * characters, "positive"))
        return Case(written(folder, form, content_of(form, rows)), Must("E", ("ingest.source.max_field_characters",)))

    return make


def long_field_on_disk(folder: Path, form: str, characters: int) -> Case:
    """The same for a field of any length, which is never held in memory but for Parquet."""
    must, field = Must("E", ("ingest.source.max_field_characters",)), "a long field"
    if form == "parquet":
        return Case(written(folder, form, content_of(form, [*good_rows(), ("x" * characters, "positive")])), must)
    before, _, after = content_of(form, [*good_rows(), (field, "positive")]).partition(field.encode())
    path = written(folder, form, before)
    with path.open("ab") as file:
        for _ in range(characters // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(after)
    return Case(path, must)


def _long_quoted_field(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    rows.insert(draw.randrange(len(rows)), ("many lines\n" * 20_000, "positive"))
    return Case(written(folder, form, content_of(form, rows)), Must("E", ("a quote", "rows cannot be read")))


def _wrong_name(folder: Path, form: str, draw: Random) -> Case:
    content = content_of(form, good_rows(), ("text", "lable"))
    return Case(written(folder, form, content), Must("E", ("no column 'label'", "Did you mean 'lable'?")))


def _wrong_option(folder: Path, form: str, draw: Random) -> Case:
    columns = {"text": "text", "lable": "label"}
    path = written(folder, form, content_of(form, good_rows()))
    must = Must("E", ("ingest.source.columns.lable", "Did you mean 'label'?"), code=2)
    return Case(path, must, options={"ingest.source.columns": columns})


def _no_header(folder: Path, form: str, draw: Random) -> Case:
    content = content_of(form, good_rows()).partition(b"\n")[2]
    return Case(written(folder, form, content), Must("E", ("no column 'text'", "ingest.source.header")))


def _named_twice(folder: Path, form: str, draw: Random) -> Case:
    if form == "parquet":
        columns = [pa.array(column) for column in zip(*good_rows(), strict=True)]
        table = pa.table([columns[0], columns[1], columns[0]], names=["text", "label", "text"])
        pq.write_table(table, folder / "rows.parquet")
    else:
        written(folder, form, content_of(form, [(*row, row[0]) for row in good_rows()], ("text", "label", "text")))
    return Case(folder / f"rows.{form}", Must("E", ("column 'text' occurs 2 times",)))


def _key_twice(folder: Path, form: str, draw: Random) -> Case:
    rows = good_rows()
    line = b'{"text": "the first", "label": "positive", "text": "the second"}' + (b"," if form == "json" else b"")
    content = lines_with(content_of(form, rows), line, draw)
    return Case(written(folder, form, content), Must("Q", ("'text' twice",), aside=1), rows)


def _no_bytes(folder: Path, form: str, draw: Random) -> Case:
    words = ("no Parquet file",) if form == "parquet" else (f"rows.{form}: ",)
    return Case(written(folder, form, b""), Must("E", words))


def _no_rows(folder: Path, form: str, draw: Random) -> Case:
    rows: list[Row] = []
    return Case(written(folder, form, content_of(form, rows)), Must("E", ("holds no rows",)))


def _blank_lines(folder: Path, form: str, draw: Random) -> Case:
    return Case(written(folder, form, b"\n" * draw.randrange(1, 9)), Must("E", (f"rows.{form}: ",)))


def _odd_characters(folder: Path, form: str, draw: Random) -> Case:
    odd = {"\u200b": "", "\u202e": "", "\u2066": "", "\ufeff": "", "\u00ad": "", "\x07": "", "\x1b": "", "\x7f": ""}
    rows = good_rows()
    given = [(f"It is {sign}well made and number {n}.", "positive") for n, sign in enumerate(odd)]
    clean = [(f"It is well made and number {n}.", "positive") for n, _ in enumerate(odd)]
    everything = [*rows, *given]
    draw.shuffle(everything)
    must = Must("R", metrics={"texts.stray_characters": len(odd), "texts.cleaned": len(odd)})
    return Case(written(folder, form, content_of(form, everything)), must, [*rows, *clean])


def _line_ends(end: bytes, last: bool) -> Any:
    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = good_rows()
        content = content_of(form, rows).replace(b"\n", end)
        return Case(written(folder, form, content if last else content.removesuffix(end)), Must("R"), rows)

    return make


def _ends_inside(folder: Path, form: str, draw: Random) -> Case:
    odd = ["\u0085", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c"]
    given = [(f"Before {sign}after {n}.", "positive") for n, sign in enumerate(odd)]
    rows = [*good_rows(), *((f"Before after {n}.", "positive") for n, _ in enumerate(odd))]
    lines = [json.dumps(dict(zip(("text", "label"), row, strict=True)), ensure_ascii=False) for row in given]
    more = (
        "\n".join(lines).encode()
        if form == "jsonl"
        else b"\n".join(_row_bytes(form, text.encode()) for text, _ in given)
    )
    return Case(written(folder, form, content_of(form, good_rows()) + more), Must("R"), rows)


FAULTS = [
    Fault(1, "UTF-8 byte order mark", TEXTS, _mark),
    Fault(1, "UTF-8 byte order mark before a quoted header", TABLES, _mark_before_a_quote),
    Fault(2, "GBK", LINES, _encoded("gbk", "gb18030", CHINESE)),
    Fault(2, "UTF-16", TEXTS, _encoded("utf-16", "utf-16", FRENCH)),
    Fault(2, "Latin-1", LINES, _encoded("latin-1", "cp1252", FRENCH)),
    Fault(2, "Latin-1 after a megabyte of ASCII", ("csv",), _late_odd_byte),
    Fault(2, "GBK that is declared", LINES, _declared("gb18030", CHINESE)),
    Fault(2, "UTF-16 that is declared", TEXTS, _declared("utf-16", CHINESE)),
    Fault(2, "Latin-1 that is declared", LINES, _declared("latin-1", FRENCH)),
    Fault(3, "invalid UTF-8 in one row", (*LINES, "parquet"), _damaged_row),
    Fault(4, "NUL in a field", FORMS, _nul),
    Fault(5, "words for nothing", FORMS, _words_for_nothing),
    Fault(5, "no value", ("json", "jsonl", "parquet"), _no_value),
    Fault(6, "unclosed quote", TABLES, _unclosed_quote),
    Fault(6, "many unclosed quotes", TABLES, _many_unclosed_quotes),
    Fault(7, "a field of 8 MB", FORMS, long_field(8_000_000)),
    Fault(7, "a quoted field of many lines over the limit", TABLES, _long_quoted_field),
    Fault(8, "wrong column name", FORMS, _wrong_name),
    Fault(8, "wrong name in the options", FORMS, _wrong_option),
    Fault(8, "no header", TABLES, _no_header),
    Fault(9, "duplicate column names", (*TABLES, "parquet"), _named_twice),
    Fault(9, "a key twice in an object", ("json", "jsonl"), _key_twice),
    Fault(12, "empty file", FORMS, _no_bytes),
    Fault(12, "header alone", FORMS, _no_rows),
    Fault(12, "blank lines alone", TEXTS, _blank_lines),
    Fault(20, "control, bidi and zero-width characters", FORMS, _odd_characters),
    Fault(21, "CRLF", TEXTS, _line_ends(b"\r\n", last=True)),
    Fault(21, "lone CR", TEXTS, _line_ends(b"\r", last=True)),
    Fault(21, "no last newline", LINES, _line_ends(b"\n", last=False)),
    Fault(21, "other line characters inside a row", LINES, _ends_inside),
]
