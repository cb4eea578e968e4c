"""The file source: entities and answers, as JSON and tables have them, in one form."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from stages.sources import Row
from stages.sources.file import Params, read
from tests.sources.reading import OPTIONS, Write

TEXT = "Bo is in Rome."
EXPECTED = [{"start": 0, "end": 2, "label": "PER"}, {"start": 9, "end": 13, "label": "LOC"}]
COLUMNS = {"text": "text", "entities": "found"}


def row_of(found: Any, write: Write, **options: Any) -> Row:
    raw = OPTIONS | {"format": "jsonl", "spans": "exclusive", "columns": COLUMNS} | options
    content = json.dumps({"text": TEXT, "found": found}, ensure_ascii=False)
    (row,) = read(write(content), Params.model_validate(raw), ("text", "entities"))
    return row


@pytest.mark.parametrize("ends", ["exclusive", "inclusive"])
@pytest.mark.parametrize("form", ["objects", "triples", "by label", "as text"])
def test_every_form_gives_the_same_spans(form: str, ends: str, write: Write) -> None:
    less = ends == "inclusive"
    objects = [{**entity, "end": entity["end"] - less, "id": 7} for entity in EXPECTED]
    triples = [[entity["start"], entity["end"], entity["label"]] for entity in objects]
    forms = {
        "objects": objects,
        "triples": triples,
        "by label": {"PER": {"Bo": [triples[0][:2]]}, "LOC": {"Rome": [triples[1][:2]]}},
        "as text": json.dumps(triples),
    }
    row = row_of(forms[form], write, spans=ends)
    assert (row.values["entities"], row.fault) == (EXPECTED, None)


@pytest.mark.parametrize("nothing", [[], {}, None, " "])
def test_nothing_is_no_entity(nothing: Any, write: Write) -> None:
    assert row_of(nothing, write).values["entities"] == []


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"LOC": {"Rom": [[9, 13]]}}, "entities.LOC[0]: at 9 to 13 (end excluded) it does not stand"),
        ({"LOC": {"Rome": [[10, 14]]}}, "entities.LOC[0]: at 10 to 14 (end excluded) it does not stand"),
        ({"LOC": {"Rome": [["9", 13]]}}, "entities.LOC[0].start: is no whole number"),
        ({"LOC": {"Rome": [9, 13]}}, "entities.LOC[0]: is no list of [start, end]"),
        ({"LOC": {"Rome": 9}}, "entities.LOC[0]: is no list of [start, end]"),
        ({"LOC": ["Rome"]}, "entities.LOC: is no object of mentions"),
        ([{"start": 1, "end": 2}], "entities[0]: has no 'label'"),
        ([[0, 2, "PER"], [0, 2]], "entities[1]: is neither [start, end, label] nor an object with these"),
        (
            [{"start": 0, "end": 2, "label": "PER", "text": "Bob"}],
            "entities[0]: at 0 to 2 (end excluded) it does not stand",
        ),
        (0, "entities: is neither a list nor an object"),
        ("[", "entities: is no JSON: "),
    ],
)
def test_odd_entities_are_a_fault_of_their_row(found: Any, fault: str, write: Write) -> None:
    assert str(row_of(found, write).fault).startswith(fault)


def test_a_last_character_must_be_a_number(write: Write) -> None:
    assert row_of([[0, "x", "PER"]], write, spans="inclusive").fault == "entities[0].end: is no whole number"


def test_tables_may_hold_entities_as_json(write: Write) -> None:
    raw = OPTIONS | {"spans": "inclusive", "columns": COLUMNS}
    path = write(f'text,found\n{TEXT},"[[0, 1, ""PER""]]"\n{TEXT},\n')
    rows = read(path, Params.model_validate(raw), ("text", "entities"))
    assert [row.values["entities"] for row in rows] == [EXPECTED[:1], []]


def test_where_entities_end_must_be_said(write: Write) -> None:
    with pytest.raises(ValidationError, match="spans: say exclusive, or inclusive"):
        row_of([], write, spans=None)


ANSWER = {"text": "Rome", "start": 9}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([{"text": "Rome", "answer_start": 9, "id": 1}, {"text": "Rome", "start": 9}], [ANSWER, ANSWER]),
        ({"text": ["Rome", "Bo"], "answer_start": [9, 0]}, [ANSWER, {"text": "Bo", "start": 0}]),
        ('[{"text": "Rome", "start": 9}]', [ANSWER]),
        ({"text": [], "answer_start": []}, []),
        (None, []),
        ("", []),
        ({"text": ["Rome"], "answer_start": [9, 0]}, "answers: is no object with a list `text` and an `answer_start`"),
        ([ANSWER, {"text": "Bo"}], "answers[1]: is no object with a `text` and an `answer_start`"),
        ("Rome", "answers: is no JSON: "),
        (3, "answers: is no list"),
    ],
)
def test_answers_have_one_form(given: Any, expected: Any, write: Write) -> None:
    raw = OPTIONS | {"format": "jsonl", "columns": {"context": "text", "answers": "found"}}
    (row,) = read(write(json.dumps({"text": TEXT, "found": given})), Params.model_validate(raw), ("context", "answers"))
    assert str(row.fault).startswith(expected) if isinstance(expected, str) else row.values["answers"] == expected
