"""Read many made-up files, in a process whose memory is bounded: python -m tests.faults.bounded FILES [SEED]

Nothing but a TemperError may be raised, every row must be accounted for, and what is well-formed must be read exactly.
Prints how many files there were of each fate.
"""

import json
import resource
import sys
import tempfile
from collections import Counter
from contextlib import chdir
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import HealthCheck, given, seed, settings

from flows.perform import perform
from stages.ingest.intake import Intake
from stages.ingest.values import Columns
from stages.shared.errors import TemperError
from stages.shared.params import SPLITS, Ingest, Params
from stages.shared.plugins import load
from stages.shared.sections import concrete
from stages.sources.file import Params as Source
from stages.sources.file import read
from stages.tasks import task_of
from tests.faults.generated import FILES, OTHER_COLUMNS, Made
from tests.sources.reading import OPTIONS

MEMORY = 512 << 20  # bytes that may come on top of what the process has when it begins
SECONDS = 20  # that a file may take
WHOLE_STAGE = 10  # of so many files one goes through the whole stage
_TASK = {"name": "classification", "labels": ["a", "b"], "multi_label": False, "max_tokens": 64, "long_texts": "head"}
_TASK |= {"overlap": 0, "head": None, "head_from_packages": False}
_LONGEST = 100_000


def _options(made: Made) -> dict[str, Any]:
    return {**OPTIONS, "max_field_characters": _LONGEST, **made.options}


def _read(made: Made, path: Path) -> str:
    """Read a file through the source and the intake; gives its fate in a word."""
    source = Source.model_validate(_options(made))
    task = task_of(load("tasks", "classification").Params.model_validate(_TASK))
    intake = Intake(task, Columns(task.columns, task.texts, {}, None), 1, path)
    try:
        rows = list(read(path, source, tuple(name for name in source.columns if name != "id")))
    except TemperError as error:
        str(error).encode()  # it goes into files
        assert made.may_fail, f"refused: {error}"
        return "refused"
    json.dumps([(row.place, row.fault) for row in rows], ensure_ascii=False).encode()
    assert made.count in (None, len(rows)), f"{len(rows)} rows of {made.count}"
    if made.options["format"] in OTHER_COLUMNS:
        return "read"
    examples = list(intake.examples(rows))
    assert len(examples) + len(intake.rejected) == len(rows) == intake.rows
    json.dumps([examples, intake.rejected], ensure_ascii=False).encode()
    if made.rows is not None:
        _check_rows(made.rows, [(row.values, row.fault) for row in rows])
    return "some rows set aside" if intake.rejected else "read"


def _check_rows(expected: list[tuple[str, str]], found: list[tuple[dict[str, Any], str | None]]) -> None:
    """Every row as it was written, in its order; one with a NUL set aside."""
    for (text, label), (values, fault) in zip(expected, found, strict=True):
        assert bool(fault) == ("\0" in text + label), f"{text!r}, {label!r}: {fault}"
        assert fault or (values["text"], values["label"]) == (text, label), f"{values} where {text!r}, {label!r} stands"


def _through_the_stage(made: Made, path: Path, folder: Path) -> str:
    """The same through the whole stage, which writes its outputs."""
    section = {"label_names": {}, "label_separator": None, "splits": {"train": 0.4, "validation": 0.3, "test": 0.3}}
    raw = {**section, "max_rejected_share": 1.0, "source": {**_options(made), "path": str(path)}}
    task = load("tasks", "classification").Params.model_validate(_TASK)
    params = SimpleNamespace(seed=1, task=task, ingest=concrete(Ingest, raw).model_validate(raw))
    try:
        with chdir(folder):
            metrics = perform("ingest", [path, folder / "out"], cast(Params, params)).metrics
    except TemperError:
        return "refused by the stage"
    written = sum(metrics[f"rows.{split}"] for split in SPLITS)
    assert written + metrics["rows.rejected"] == metrics["rows.read"]
    assert made.count in (None, metrics["rows.read"])
    return "through the stage"


def read_many(count: int, start: int, folder: Path) -> Counter[str]:
    """Read so many files; how many there were of each fate.

    Raises:
        AssertionError, or whatever a reader raised: with the smallest file that does it.
    """
    fates: Counter[str] = Counter()
    path = folder / "rows"

    @seed(start)
    @settings(
        max_examples=count,
        database=None,
        deadline=timedelta(seconds=SECONDS),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(FILES)
    def attempt(made: Made) -> None:
        path.write_bytes(made.content)
        fates[_read(made, path)] += 1
        fates["files"] += 1
        if fates["files"] % WHOLE_STAGE == 0 and made.options["format"] not in OTHER_COLUMNS:
            fates[_through_the_stage(made, path, folder)] += 1

    attempt()
    return fates


def main(words: list[str]) -> None:
    """The command line."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + MEMORY, has + MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        fates = read_many(int(words[0]), int(words[1]) if len(words) > 1 else 0, Path(folder))
    sys.stdout.write(json.dumps(dict(sorted(fates.items()))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
