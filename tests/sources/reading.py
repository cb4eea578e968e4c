"""Read files through the file source, and what the tests of it share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.sources import Row
from stages.sources.file import Params, read

OPTIONS: dict[str, Any] = {
    "name": "file",
    "path": "any",
    "files": {},
    "format": "csv",
    "encoding": "utf-8",
    "header": True,
    "separator": ",",
    "quoting": "double",
    "pattern": None,
    "conll": None,
    "spans": None,
    "columns": {"text": "text", "label": "label"},
    "max_field_characters": 100,
}
PLAIN = b"text,label\nGood.,pos\nBad.,neg\n"
EXPECTED = [("Good.", "pos"), ("Bad.", "neg")]
CHINESE = ["这家酒店的早餐很好", "房间太小而且很吵", "服务态度让人满意", "下次还会再来住的"]
FRENCH = ["déjà vu", "très bon", "mal emballé", "à éviter"]


def rows_of(path: Path, **options: Any) -> list[Row]:
    return list(read(path, Params.model_validate(OPTIONS | options), ("text", "label")))


def pairs(rows: list[Row]) -> list[tuple[Any, Any]]:
    return [(row.values["text"], row.values["label"]) for row in rows if not row.fault]


def faults(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.place, row.fault) for row in rows if row.fault]


Write = Callable[..., Path]


def parquet_bytes(folder: Path) -> bytes:
    table = pa.table({"text": ["Good.", "Bad."], "label": ["pos", "neg"], "more": [[1], []]})
    pq.write_table(table, folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


OBJECTS = [{"text": "Good.", "label": "pos"}, {"label": "neg", "text": "Bad."}]
FORMATS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "csv": (PLAIN, {}),
    "csv, other separator": (PLAIN.replace(b",", b";"), {"separator": ";"}),
    "csv, no header": (PLAIN.partition(b"\n")[2], {"header": ["text", "label"]}),
    "tsv": (PLAIN.replace(b",", b"\t"), {"format": "tsv"}),
    "json": (json.dumps(OBJECTS, indent=1).encode(), {"format": "json"}),
    "json on one line": (json.dumps(OBJECTS).encode(), {"format": "json"}),
    "jsonl": ("\n".join(map(json.dumps, OBJECTS)).encode(), {"format": "jsonl"}),
    "lines": (b"pos Good.\nneg Bad.\n", {"format": "lines", "pattern": r"(?P<label>\w+) (?P<text>.*)"}),
    "parquet": (b"", {"format": "parquet"}),
}
