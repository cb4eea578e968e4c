"""The file source: SQuAD documents."""

import gzip
import json
from typing import Any

import pytest

from stages.shared.errors import DataError
from stages.sources import Row, _bytes
from stages.sources.file import Params, read
from tests.sources.reading import OPTIONS, Write, faults

WANTED = ("question", "context", "answers")
COLUMNS = {name: name for name in (*WANTED, "id")}


def document(*paragraphs: Any) -> bytes:
    """A document of two articles, the second of which holds the last paragraph."""
    articles = [{"title": "One", "paragraphs": paragraphs[:-1]}, {"paragraphs": paragraphs[-1:], "title": "Two"}]
    return json.dumps({"version": "v2.0", "data": articles, "more": [{}]}, ensure_ascii=False, indent=1).encode()


def question(name: str, *answers: tuple[str, int], **more: Any) -> dict[str, Any]:
    found = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": f"{name}?", "answers": found} | more


def rows_of(content: bytes, write: Write, **options: Any) -> list[Row]:
    raw = OPTIONS | {"format": "squad", "columns": COLUMNS} | options
    return list(read(write(content, "qa.json"), Params.model_validate(raw), WANTED))


LOCK = {"context": "The lock was made in Ürün.", "qas": [question("where", ("Ürün", 21), ("Ürün", 21), ("Ürün.", 21))]}
GATE = {
    "context": "A gate.",
    "qas": [
        question("what", ("gate", 2), ("gate", 9)),
        question("why", is_impossible=True, plausible_answers=[{"text": "A", "answer_start": 0}]),
        question("how"),
    ],
}


@pytest.mark.parametrize("packed", [False, True])
def test_questions_become_rows(packed: bool, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bytes, "BLOCK", 7)
    content = document(LOCK, GATE)
    rows = rows_of(gzip.compress(content) if packed else content, write)
    assert [row.place for row in rows] == [
        "qa.json:paragraph 1, question where",
        "qa.json:paragraph 2, question what",
        "qa.json:paragraph 2, question why",
        "qa.json:paragraph 2, question how",
    ]
    assert rows[0].values == {
        "id": "where",
        "question": "where?",
        "context": LOCK["context"],
        "answers": [{"text": "Ürün", "start": 21}, {"text": "Ürün", "start": 21}, {"text": "Ürün.", "start": 21}],
    }
    assert [len(row.values["answers"]) for row in rows] == [3, 2, 0, 0]
    assert faults(rows) == []


def test_odd_questions_are_set_aside(write: Write) -> None:
    odd = [
        "no object",
        {"question": "a", "answers": []},
        {"id": 7, "question": "b"},
        question("c", ("A", 0), is_impossible=True),
        question("d", is_impossible=False),
        {"id": "e", "question": "e", "answers": [{"text": "A"}]},
        {"id": "f", "question": "f", "answers": 3},
        question("g\0", ("A", 0)),
    ]
    rows = rows_of(document({"context": "A.", "qas": odd}, {"qas": []}, GATE), write)
    assert faults(rows) == [
        ("qa.json:paragraph 1, question 1", "is no object with a question"),
        ("qa.json:paragraph 1, question 2", "has no 'id'"),
        ("qa.json:paragraph 1, question 7", "has no 'answers'"),
        ("qa.json:paragraph 1, question c", "is_impossible, yet it has answers"),
        ("qa.json:paragraph 1, question d", "has no answers, yet is_impossible is false"),
        ("qa.json:paragraph 1, question e", "answers[0]: is no object with a `text` and an `answer_start`"),
        ("qa.json:paragraph 1, question f", "answers: is no list"),
        ("qa.json:paragraph 1, question 8", "question: holds a NUL character"),
        ("qa.json:paragraph 2", "is no object with a `context` and a list `qas`"),
    ]


def test_an_id_is_not_needed(write: Write) -> None:
    content = document({"context": "A.", "qas": [{"question": "a", "answers": []}]})
    (row,) = rows_of(content, write, columns={name: name for name in WANTED})
    assert (row.place, row.fault) == ("qa.json:paragraph 1, question 1", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"paragraphs": []}]', r"qa\.json:1: is no SQuAD document: '\[' where { should be"),
        (b'{"version": 1}', "it holds no paragraphs"),
        (b'\n{"data": {}}', r"qa\.json:2: is no SQuAD document: '{' where \[ should be"),
        (b'{"data": [{"paragraphs": [{"context": "A', "is no SQuAD document: Unterminated string"),
        (b'{"data": [{"paragraphs": [{}]}]', "it ends where one of , } should be"),
        (b'{"data": [{"paragraphs": [{}]}]} x', "text after its end"),
        (b"", "holds no rows"),
    ],
)
def test_what_is_no_squad_document_is_an_error(content: bytes, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        rows_of(content, write)


def test_only_its_own_columns_can_be_asked_for(write: Write) -> None:
    with pytest.raises(DataError, match=r"no column 'answer' .*Did you mean 'answers'\?"):
        rows_of(document(GATE), write, columns=COLUMNS | {"answers": "answer"})
    with pytest.raises(DataError, match=r"ingest\.source\.max_field_characters allows 100"):
        rows_of(document({"context": "A" * 101, "qas": GATE["qas"]}), write)


def test_an_id_that_no_file_can_hold_names_no_place(write: Write) -> None:
    content = document({"context": "A.", "qas": [question("half"), question("whole", ("A", 0))]})
    rows = rows_of(content.replace(b'"half"', b'"\\ud800"'), write)
    assert faults(rows) == [
        ("qa.json:paragraph 1, question 1", "id: holds bytes that are not valid utf-8 (see ingest.source.encoding)")
    ]
    assert len(rows) == 2
