"""Hostile rows: labels with typos, classes that are missing, the same text on two sides or with two labels."""

from pathlib import Path
from random import Random
from typing import Any

from tests.faults.cases import Case, Fault, Must, Row, content_of, good_rows, written

LABELS = ("negative", "neutral", "positive")
SIZES = {"train": 20, "validation": 5, "test": 5}  # rows of each label


def split_rows() -> list[Row]:
    """(text, label, split) of rows at which nothing is wrong: every label in every split."""
    by_label: dict[str, list[str]] = {label: [] for label in LABELS}
    for text, label in good_rows(250):
        by_label[label].append(text)
    return [
        (by_label[label].pop(0), label, split) for split, each in SIZES.items() for _ in range(each) for label in LABELS
    ]


def _case(folder: Path, form: str, rows: list[Row], must: Must, kept: list[Row] | None = None) -> Case:
    path = written(folder, form, content_of(form, rows, ("text", "label", "split")))
    columns = {"text": "text", "label": "label", "split": "split"}
    return Case(path, must, kept and [row[:2] for row in kept], {"ingest.source.columns": columns})


def _with(rows: list[Row], more: list[Row], draw: Random) -> list[Row]:
    every = [*rows, *more]
    draw.shuffle(every)
    return every


def refused(*words: str) -> Must:
    """The gate says no."""
    return Must("E", words, code=5, stage="validate")


def set_aside(rows: int, *words: str) -> Must:
    """Rows go to rejected.jsonl of validate."""
    return Must("Q", words, stage="validate", aside=rows)


def _typo(count: int) -> Any:
    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = split_rows()
        more = [
            (f"Came in {number + 2} days, well wrapped.", "postive", draw.choice(list(SIZES)))
            for number in range(count)
        ]
        words = ("'postive' is not in task.labels", "Did you mean 'positive'?")
        must = set_aside(count, *words) if count == 1 else refused("unusable_label", *words)
        return _case(folder, form, _with(rows, more, draw), must, rows)

    return make


def _without(splits: tuple[str, ...], labels: tuple[str, ...], *words: str) -> Any:
    """Rows of which some splits have none of some labels."""

    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = [row for row in split_rows() if not (row[2] in splits and row[1] in labels)]
        return _case(folder, form, _with(rows, [], draw), refused(*words))

    return make


def _no_split(folder: Path, form: str, draw: Random) -> Case:
    rows = [row for row in split_rows() if row[2] != "test"]
    unread = ("A long text of the test split\0", "positive", "test")
    return _case(folder, form, _with(rows, [unread], draw), Must("E", ("none is for test",)))


def _full_width(text: str, draw: Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _zero_width(text: str, draw: Random) -> str:
    place = draw.randrange(len(text))
    return text[:place] + "\u200b" + text[place:]


def edited(text: str, draw: Random, edits: int) -> str:
    """The text with so many characters changed, taken out or put in."""
    for _ in range(edits):
        place = draw.randrange(1, len(text) - 1)
        change = draw.choice(("#", "", f"#{text[place]}"))
        text = text[:place] + change + text[place + 1 :]
    return text


CHANGES: dict[str, Any] = {
    "exact": lambda text, draw: text,
    "case": lambda text, draw: text.swapcase(),
    "spaces": lambda text, draw: f"  {text.replace(' ', '   ')} ",
    "full width": _full_width,
    "zero width": _zero_width,
    "1 edit": lambda text, draw: edited(text, draw, 1),
    "2 edits": lambda text, draw: edited(text, draw, 2),
}


def _copies(change: str, count: int) -> Any:
    """Copies in train of rows of test and validation; more than half of them is over the limit."""

    def make(folder: Path, form: str, draw: Random) -> Case:
        rows = split_rows()
        held = [row for row in rows if row[2] != "train" and len(row[0]) >= 30]
        more = [(CHANGES[change](text, draw), label, "train") for text, label, _ in draw.sample(held, count)]
        kind = "near_leak" if "edit" in change else "leak"
        if count > 15:
            return _case(folder, form, _with(rows, more, draw), refused(f"{kind} "))
        return _case(folder, form, _with(rows, more, draw), set_aside(count, f"{kind}: "), rows)

    return make


def _two_labels(folder: Path, form: str, draw: Random) -> Case:
    rows = split_rows()
    text, label, _ = row = draw.choice([row for row in rows if row[2] == "train"])
    other = draw.choice([name for name in LABELS if name != label])
    kept = [one for one in rows if one != row]
    return _case(folder, form, _with(rows, [(text, other, "train")], draw), set_aside(2, "conflict: labelled"), kept)


def good_case(folder: Path, draw: Random) -> Case:
    """Rows at which nothing is wrong."""
    rows = split_rows()
    return _case(folder, "csv", _with(rows, [], draw), Must("R"), rows)


FAULTS = [
    Fault(10, "label typo", ("csv", "parquet"), _typo(1)),
    Fault(10, "label typos over the limit", ("csv",), _typo(30)),
    Fault(
        11,
        "a label in test that train lacks",
        ("csv",),
        _without(("train",), ("neutral",), "min_rows_per_class", "neutral: 0"),
    ),
    Fault(12, "a split of which no row can be read", ("csv",), _no_split),
    Fault(
        13,
        "a split without a class",
        ("csv",),
        _without(("validation",), ("positive",), "min_rows_per_class", "positive: 0"),
    ),
    Fault(14, "one class alone", ("csv",), _without(tuple(SIZES), LABELS[:2], "max_class_share", "labels ")),
    Fault(15, "exact duplicates across splits", ("csv",), _copies("exact", 4)),
    Fault(15, "exact duplicates over the limit", ("csv",), _copies("exact", 22)),
    *(Fault(16, f"duplicates but for {name}", ("csv",), _copies(name, 4)) for name in list(CHANGES)[1:5]),
    *(Fault(17, f"near duplicates, {name}", ("csv",), _copies(name, 4)) for name in list(CHANGES)[5:]),
    Fault(17, "near duplicates over the limit", ("csv",), _copies("1 edit", 22)),
    Fault(19, "one text with two labels", ("csv",), _two_labels),
]
