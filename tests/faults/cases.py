"""One hostile input: how it is made, what must happen, and whether it did when the real stages ran on it."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, chdir, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from flows.perform import perform
from stages.shared.errors import TemperError
from stages.shared.params import SPLITS, Params, check_raw, read_raw
from stages.shared.publish import refused_folder
from tests.conftest import ROOT, sample_texts, set_values

Row = tuple[str, ...]
TABLES = ("csv", "tsv")
TEXTS = (*TABLES, "json", "jsonl")
FORMS = (*TEXTS, "parquet")
COLUMNS = ("text", "label")
_WIDE = {  # limits under which a few bad rows are set aside
    "ingest.max_rejected_share": 0.2,
    **{f"validate.limits.{kind}": 0.2 for kind in ("empty_text", "unusable_label", "length", "duplicate", "conflict")},
    "validate.limits.leak": 0.5,
    "validate.limits.near_leak": 0.5,
    "validate.max_unknown_token_share": 1.0,
    "validate.language.expected": None,
    "augment.back_translation.copies": 0,
    "pretrain.sha256": None,
}


@dataclass(frozen=True)
class Must:
    """What must happen.

    Attributes:
        outcome: E, an error; R, it recovers; Q, rows are set aside.
        words: that stand in the message, or in the reason of each row that is set aside.
        code: of the error.
        stage: which says so.
        aside: rows that are set aside.
        metrics: of the stage.
    """

    outcome: Literal["E", "R", "Q"]
    words: tuple[str, ...] = ()
    code: int = 3
    stage: Literal["ingest", "validate"] = "ingest"
    aside: int = 0
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """An input as it lies there.

    Attributes:
        path: of the file or folder.
        must: what must happen.
        rows: (text, label) of each row that must come out; None where that is left open.
        options: dotted parameters that differ from the bundled ones.
        recipe: the parameters that it goes by.
        during: what goes on while it is read.
    """

    path: Path
    must: Must
    rows: Sequence[Row] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    recipe: str = "params.yaml"
    during: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Fault:
    """A fault, and how it is injected: `make` writes it in a form into a folder, at a place that the draw chooses."""

    number: int
    name: str
    forms: tuple[str, ...]
    make: Callable[[Path, str, Random], Case]


def good_rows(count: int = 60) -> list[Row]:
    """(text, label) of rows at which nothing is wrong."""
    return list(dict(sample_texts(3 * count)).items())[:count]


def content_of(form: str, rows: Sequence[Row], columns: Sequence[str] = COLUMNS) -> bytes:
    """A file of the form with the rows, as a careful program writes it."""
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    if form in TABLES:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter="," if form == "csv" else "\t", lineterminator="\n").writerows([columns, *rows])
        return stream.getvalue().encode()
    if form == "parquet":
        raw = io.BytesIO()
        pq.write_table(pa.table({name: [row[name] for row in objects] for name in columns}), raw)
        return raw.getvalue()
    lines = [json.dumps(row, ensure_ascii=False) for row in objects]
    return ("\n".join([*lines, ""]) if form == "jsonl" else "[" + ",\n".join(lines) + "]").encode()


def written(folder: Path, form: str, content: bytes, ending: str = "") -> Path:
    """The path of a file of the form with this content."""
    path = folder / f"rows.{form}{ending}"
    path.write_bytes(content)
    return path


def lines_with(content: bytes, line: bytes, draw: Random) -> bytes:
    """The content of a file of lines with one more, below the first."""
    lines = content.splitlines(keepends=True)
    lines.insert(draw.randrange(1, len(lines)), line + b"\n")
    return b"".join(lines)


@cache
def _parameters(recipe: str) -> Any:
    return read_raw(ROOT / recipe)


def params_of(case: Case, base: Path, form: str) -> Params:
    """The parameters that a case goes by, on a base model that is small."""
    raw = deepcopy(_parameters(case.recipe))
    own = {"pretrain.base": str(base)} if case.recipe == "params.yaml" else {}
    source = {"ingest.source.path": str(case.path)} | ({"ingest.source.format": form} if form in FORMS else {})
    wide = {key: value for key, value in _WIDE.items() if own or not key.startswith("pretrain")}
    set_values(raw, {**wide, **own, **source, **case.options})
    return check_raw(raw, Path("params.yaml"))


def over_the_limit(case: Case) -> Case | None:
    """The same where ingest may set no row aside, which is an error then; None where it sets none aside."""
    if case.must.outcome != "Q" or case.must.stage != "ingest":
        return None
    must = Must("E", ("rows cannot be read", "ingest.max_rejected_share is 0", *case.must.words))
    return replace(case, must=must, options={**case.options, "ingest.max_rejected_share": 0})


def complaint(case: Case, folder: Path, params: Params) -> str | None:
    """Run the stages on a case in a folder; what happened that must not, or None.

    What the stage wrote before lies there too, and must be there still after an error.
    """
    out = folder / "data" / case.must.stage
    out.mkdir(parents=True)
    (out / "before").touch()
    try:
        with chdir(folder), case.during():
            outcome = perform("ingest", [case.path, folder / "data/ingest"], params)
            if case.must.stage == "validate":
                outcome = perform("validate", [folder / "data/ingest", out], params)
    except TemperError as error:
        return _wrong_error(case.must, error, out)
    except Exception as error:
        return f"a traceback: {error!r}"
    if case.must.outcome == "E":
        return f"no error, but: {outcome.summary}"
    return next(_wrong_rows(case, out, outcome.metrics), None)


def _wrong_error(must: Must, error: TemperError, out: Path) -> str | None:
    if must.outcome != "E":
        return f"an error: {error}"
    missing = [word for word in must.words if word not in str(error)]
    if missing or error.exit_code != must.code:
        return f"exit code {error.exit_code}, and {missing} not in: {error}"
    if not (out / "before").exists():
        return "what the stage wrote before is gone"
    return None if must.code == 5 or not refused_folder(out).exists() else "something is left beside it"


def _wrong_rows(case: Case, out: Path, metrics: dict[str, float]) -> Iterator[str]:
    must = case.must
    written_rows = [row for split in SPLITS for row in pq.read_table(out / f"{split}.parquet").to_pylist()]
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    if len(rejected) != must.aside:
        yield f"{len(rejected)} rows set aside: {rejected[:3]}"
    if len(written_rows) + len(rejected) != metrics["rows.read"]:
        yield "rows went astray"
    reasons = [row.get("reason") or "; ".join(row["reasons"]) for row in rejected]
    if not all(word in reason for reason in reasons for word in must.words):
        yield f"the reasons are {reasons[:3]}"
    if not all(row.get("place") or row.get("source") for row in rejected):
        yield "a row is set aside without its place"
    if case.rows is not None:
        found, wanted = (Counter(rows) for rows in ([(r["text"], r["label"]) for r in written_rows], case.rows))
        if found != wanted:
            yield f"not expected: {list(found - wanted)[:3]}; missing: {list(wanted - found)[:3]}"
    wrong = {name: metrics[name] for name, value in must.metrics.items() if metrics[name] != value}
    if wrong:
        yield f"metrics are {wrong}"
