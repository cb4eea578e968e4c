"""Made-up files: tables, JSON and Parquet of odd contents, well-formed or damaged, and bytes that are none of these."""

import csv
import gzip
import io
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "gb18030", "latin-1")
OTHER_COLUMNS = {"squad": ("id", "question", "context", "answers"), "conll": ("text", "entities")}
_PIECES = ['"', '""', ",", ";", "\t", "\n", "\r", "\r\n", "\\", "'", " ", "a", "word", "NA", "null", "{", "]", "|"]
_ODD = [
    "\0",
    "\u0085",
    "\u2028",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\x1a",
    "\x1c",
    "\x7f",
    "é",
    "ÿ",
    "字",
    "語句",
    "🙂",
    "e\u0301",
]
_MARKS = [b'"', b",", b"\n", b"\r", b"\0", b";", b"\t", b"{", b"}", b"[", b"]", b":", b"text", b"label", b"\xff\xfe"]
_MARKS += [
    b"\xef\xbb\xbf",
    b"\xe4",
    b"\xc3\xa9",
    b"\xd7\xd6",
    b"\x1f\x8b",
    b"PAR1",
    b"PK\x03\x04",
    b"null",
    b"NaN",
    b"1e999",
]


_SQUAD = b'{"data": [{"paragraphs": [{"context": "A b.", "qas": [{"id": "\\ud800", "question": "a", "answers": []}, '


@dataclass(frozen=True)
class Made:
    """A file.

    Attributes:
        content: its bytes.
        options: of the source `file`.
        count: rows in it, where it is well-formed enough to be counted.
        rows: (text, label) of each, where it must be read exactly.
        may_fail: whether it may be refused as a whole though it is well-formed.
    """

    content: bytes
    options: dict[str, Any]
    count: int | None = None
    rows: list[tuple[str, str]] | None = None
    may_fail: bool = True


def texts(max_pieces: int = 8) -> st.SearchStrategy[str]:
    """Texts of what is hard for a reader."""
    piece = st.one_of(st.sampled_from(_PIECES), st.sampled_from(_ODD), st.characters(codec="utf-8"))
    return st.lists(piece, max_size=max_pieces).map("".join)


def _encodable(text: str, encoding: str) -> str:
    return text.encode(encoding, "ignore").decode(encoding)


@st.composite
def tables(draw: st.DrawFn) -> Made:
    """A well-formed CSV or TSV file."""
    form, encoding = draw(st.sampled_from(("csv", "tsv"))), draw(st.sampled_from(ENCODINGS))
    separator = "\t" if form == "tsv" else draw(st.sampled_from(",;|\t"))
    plain = encoding.removesuffix("-sig")
    cells = texts().map(lambda text: _encodable(text, plain))
    rows = draw(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
    others = draw(st.integers(0, 2))
    stream = io.StringIO(newline="")
    has_ends = any(end in cell for row in rows for cell in row for end in "\r\n")  # which csv does not quote by itself
    quoting = csv.QUOTE_ALL if has_ends else draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    end = draw(st.sampled_from(("\n", "\r\n", "\r")))
    writer = csv.writer(stream, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(["text", "label", *(f"other{number}" for number in range(others))])
    writer.writerows([*row, *["x"] * others] for row in rows)
    content = stream.getvalue().encode(encoding)
    options = {"format": form, "encoding": plain, "separator": separator}
    holds_nul = any("\0" in cell for row in rows for cell in row)
    return Made(content, options, len(rows), rows, may_fail=plain not in ("utf-8", "utf-16") or holds_nul)


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(10**20, 10**30), st.floats(), texts(4), st.just("\ud800")
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(2), inner, max_size=3)),
    max_leaves=5,
)
_OBJECTS = st.one_of(
    st.fixed_dictionaries({"text": texts(), "label": texts(3)}, optional={"id": _SCALARS, "more": _VALUES}),
    st.fixed_dictionaries({}, optional={"text": _VALUES, "label": _VALUES, "lable": _VALUES}),
    _VALUES,
)


@st.composite
def json_files(draw: st.DrawFn) -> Made:
    """A file of JSON lines, or of one array, whose items are of any shape; some lines are broken."""
    items = [
        json.dumps(item, ensure_ascii=draw(st.booleans())) for item in draw(st.lists(_OBJECTS, min_size=1, max_size=8))
    ]
    is_array = draw(st.booleans())
    columns = {"text": "text", "label": "label"} | ({"id": "id"} if draw(st.booleans()) else {})
    if is_array:
        content = "[" + draw(st.sampled_from((",", ", ", " ,\n"))).join(items) + "]"
    else:
        broken = draw(st.lists(st.sampled_from(("{", '{"text": "a', "nul", '"', "[" * 5000, "{}" * 2)), max_size=2))
        items = draw(st.permutations([*items, *broken]))
        content = "".join(item + draw(st.sampled_from(("\n", "\n\n", " \r\n"))) for item in items)
    count = len(items)
    return Made(
        content.encode("utf-8", "surrogatepass"), {"format": "json" if is_array else "jsonl", "columns": columns}, count
    )


_COLUMNS: tuple[tuple[Any, Any], ...] = (
    (pa.string(), texts()),
    (pa.large_string(), texts()),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.binary(), st.binary(max_size=8)),
    (pa.list_(pa.string()), st.lists(texts(2), max_size=3)),
    (pa.struct([("a", pa.int8())]), st.fixed_dictionaries({"a": st.integers(-9, 9)})),
    (pa.decimal128(20, 3), st.decimals(-(10**9), 10**9, places=3)),
    (pa.date32(), st.dates()),
    (pa.timestamp("ms"), st.integers(-(2**62), 2**62)),
    (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
    (pa.duration("s"), st.integers(-(2**40), 2**62)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(("a", "b"))),
    (pa.null(), st.none()),
)


@st.composite
def parquet_files(draw: st.DrawFn) -> Made:
    """A Parquet file whose columns are of any type, with nulls."""
    size = draw(st.integers(1, 8))

    def column() -> pa.Array:
        kind, values = draw(st.sampled_from(_COLUMNS))
        return pa.array(draw(st.lists(st.one_of(values, st.none()), min_size=size, max_size=size)), kind)

    stream = io.BytesIO()
    pq.write_table(
        pa.table({"text": column(), "label": column(), "more": column()}),
        stream,
        row_group_size=draw(st.integers(1, 8)),
        compression=draw(st.sampled_from(("none", "snappy", "zstd"))),
    )
    return Made(stream.getvalue(), {"format": "parquet"}, size)


@st.composite
def damaged_files(draw: st.DrawFn) -> Made:
    """One of the others with some of its bytes changed, cut out or put in, or cut off; or gzipped first."""
    made: Made = draw(st.one_of(tables(), json_files(), parquet_files()))
    content = bytearray(gzip.compress(made.content, mtime=0) if draw(st.booleans()) else made.content)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from((0, 1, 1, 2, 9)))
        content[start : start + length] = draw(st.one_of(st.sampled_from(_MARKS), st.binary(max_size=2)))
    end = draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    return Made(bytes(content[:end]), made.options)


@st.composite
def any_bytes(draw: st.DrawFn) -> Made:
    """Bytes of any kind, read as a file of any form in any encoding."""
    pieces = draw(st.lists(st.one_of(st.sampled_from(_MARKS), st.binary(max_size=6)), max_size=20))
    head = draw(
        st.sampled_from(
            (b"", b"text,label\n", b"text\tlabel\r\n", b"\xef\xbb\xbftext,label\n", b"[", b'{"text":', _SQUAD)
        )
    )
    options = {
        "format": draw(st.sampled_from(("csv", "tsv", "json", "jsonl", "parquet", "lines", "squad", "conll"))),
        "encoding": draw(
            st.sampled_from((*ENCODINGS, "utf-32", "cp1252", "big5", "shift_jis", "utf-16-le", "utf-7", "ascii"))
        ),
        "quoting": draw(st.sampled_from(("double", "none"))),
        "header": draw(st.sampled_from((True, ["text", "label"]))),
        "pattern": "(?P<label>[a-z]*)(?P<text>.*)",
        "conll": {"scheme": draw(st.sampled_from(("IOB1", "IOB2", "BIOES"))), "token": 0, "tag": -1, "joiner": " "},
    }
    if options["format"] in OTHER_COLUMNS:
        options["columns"] = {name: name for name in OTHER_COLUMNS[options["format"]]}
    return Made(head + b"".join(pieces), options)


FILES: st.SearchStrategy[Made] = st.one_of(tables(), json_files(), parquet_files(), damaged_files(), any_bytes())
