"""The file source: entities as CoNLL columns, in the three schemes."""

from typing import Any

import pytest
from pydantic import ValidationError

from stages.shared.errors import DataError
from stages.sources import Row
from stages.sources._conll import text_and_entities
from stages.sources.file import Params, read
from tests.sources.reading import OPTIONS, Write, faults

CONLL = {"scheme": "IOB2", "token": 0, "tag": -1, "joiner": " "}
COLUMNS = {"text": "text", "entities": "entities"}


def rows_of(content: str | bytes, write: Write, conll: dict[str, Any] | None = None, **options: Any) -> list[Row]:
    raw = OPTIONS | {"format": "conll", "conll": CONLL | (conll or {}), "columns": COLUMNS} | options
    return list(read(write(content, "tags.txt"), Params.model_validate(raw), ("text", "entities")))


def mentions(row: Row) -> list[tuple[str, str]]:
    text = row.values["text"]
    return [(text[entity["start"] : entity["end"]], entity["label"]) for entity in row.values["entities"]]


def test_sentences_become_texts_with_spans(write: Write) -> None:
    content = (
        "-DOCSTART- -X- O O\n\nMrs NN x B-PER\nMill NN x I-PER\nmet\tNN  x O\nBo NN x B-PER\r\n. . x O\n"
        "\n\n  \n-DOCSTART- O O O\nIn NN x O\nS\u00a0\u00c4o NN x B-LOC\n"
    )
    first, second = rows_of(content, write)
    assert (first.values["text"], mentions(first)) == ("Mrs Mill met Bo .", [("Mrs Mill", "PER"), ("Bo", "PER")])
    assert (second.values["text"], mentions(second)) == ("In S\u00a0\u00c4o", [("S\u00a0\u00c4o", "LOC")])
    assert [row.place for row in (first, second)] == ["tags.txt:3", "tags.txt:12"]


def test_characters_join_without_a_space(write: Write) -> None:
    (row,) = rows_of("B-LOC 北\nI-LOC 京\nO 好\n", write, {"token": 1, "tag": 0, "joiner": ""})
    assert (row.values["text"], mentions(row)) == ("北京好", [("北京", "LOC")])


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("IOB1", "I-A I-A B-A I-A O I-A I-B", [(0, 2, "A"), (2, 4, "A"), (5, 6, "A"), (6, 7, "B")]),
        ("IOB2", "B-A I-A B-A B-B O B-x-y", [(0, 2, "A"), (2, 3, "A"), (3, 4, "B"), (5, 6, "x-y")]),
        ("BIOES", "S-A B-A E-A B-B I-B E-B O S-B", [(0, 1, "A"), (1, 3, "A"), (3, 6, "B"), (7, 8, "B")]),
    ],
)
def test_each_scheme_is_read_exactly(scheme: Any, tags: str, expected: list[tuple[int, int, str]]) -> None:
    words = tags.split()
    found = text_and_entities(["x"] * len(words), words, scheme, "")
    assert [(one["start"], one["end"], one["label"]) for one in found["entities"]] == expected


@pytest.mark.parametrize(
    ("scheme", "tags", "line", "message"),
    [
        ("IOB2", "O I-A", 5, "tag 'I-A' may not follow 'O' in IOB2"),
        ("IOB2", "I-A", 4, "tag 'I-A' may not begin a sentence in IOB2"),
        ("IOB2", "B-A I-B", 5, "tag 'I-B' may not follow 'B-A'"),
        ("IOB2", "O E-A", 5, "tag 'E-A' is none of IOB2: O, B-<type>, I-<type>"),
        ("IOB2", "B", 4, "tag 'B' is none of IOB2"),
        ("IOB2", "BI-A", 4, "tag 'BI-A' is none of"),
        ("IOB2", "o", 4, "tag 'o' is none of"),
        ("IOB1", "O B-A", 5, "tag 'B-A' may not follow 'O' in IOB1"),
        ("IOB1", "I-A B-B", 5, "tag 'B-B' may not follow 'I-A' in IOB1"),
        ("BIOES", "B-A O", 5, "tag 'O' may not follow 'B-A' in BIOES"),
        ("BIOES", "B-A I-A", 5, "tag 'I-A' may not end a sentence in BIOES"),
        ("BIOES", "S-A I-A", 5, "tag 'I-A' may not follow 'S-A'"),
        ("BIOES", "E-A", 4, "tag 'E-A' may not begin a sentence"),
        ("BIOES", "B-A E-B", 5, "tag 'E-B' may not follow 'B-A'"),
        ("BIOES", "B-A E-A E-A", 6, "tag 'E-A' may not follow 'E-A'"),
    ],
)
def test_an_invalid_tag_rejects_its_sentence(scheme: str, tags: str, line: int, message: str, write: Write) -> None:
    sentence = "".join(f"x {tag}\n" for tag in tags.split())
    first, second, third = rows_of(f"a O\nb O\n\n{sentence}\nc O\n", write, {"scheme": scheme})
    assert (second.place, second.values) == ("tags.txt:4", {})
    assert second.fault is not None
    assert second.fault.startswith(f"line {line}: {message}")
    assert [first.fault, third.fault] == [None, None]


def test_missing_columns_reject_their_sentence(write: Write) -> None:
    rows = rows_of("a x O\nb x O\n\nc x O\nd O\n\ne x O\n", write)
    assert faults(rows) == [("tags.txt:4", "line 5: 2 columns where the first sentence has 3")]
    asked = "ingest.source.conll: token is 0 and tag is"
    assert faults(rows_of("a\n", write)) == [("tags.txt:1", f"line 1: has 1 column; {asked} -1")]
    assert faults(rows_of("a O\n", write, {"tag": 3})) == [("tags.txt:1", f"line 1: has 2 columns; {asked} 3")]


def test_bytes_that_do_not_fit_reject_their_sentence_alone(write: Write) -> None:
    rows = rows_of(b"schlecht\xff O\n\n" + "schön O\n\n".encode() * 3, write)
    assert [bool(row.fault) for row in rows] == [True, False, False, False]


def test_what_does_not_fit_is_an_error(write: Write) -> None:
    with pytest.raises(ValidationError, match="format is conll, so it must say"):
        Params.model_validate(OPTIONS | {"format": "conll", "conll": None})
    with pytest.raises(DataError, match=r"no column 'tokens' .*Columns of the file: 'text', 'entities'"):
        rows_of("a O", write, columns={"text": "tokens", "entities": "entities"})
    with pytest.raises(DataError, match="holds no rows"):
        rows_of("-DOCSTART- O\n\n", write)
    with pytest.raises(DataError, match="a sentence is too long"):
        rows_of(f"{'a' * 1000} O\n" * 1_100, write)
