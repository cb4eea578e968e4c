"""Values of the source as the columns of a task hold them."""

from decimal import Decimal
from typing import Any

import pytest
from datasets import List, Value

from stages.ingest.values import Columns, as_text

SPAN = {"start": Value("int32"), "end": Value("int32"), "label": Value("string")}
ANSWER = {"text": Value("string"), "start": Value("int32")}


@pytest.mark.parametrize(
    ("value", "expected"), [("a", "a"), (1, "1"), (1.5, "1.5"), (True, "true"), (False, "false"), ("null", "null")]
)
def test_values_become_text(value: Any, expected: str) -> None:
    assert as_text(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "no value"), (float("nan"), "no value"), ([1], "a list, where"), ({}, "an object, where")],
)
def test_what_is_no_text_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        as_text(value)


def value_of(
    value: Any, kind: Any, name: str = "label", names: dict[str, str] | None = None, separator: str | None = None
) -> Any:
    columns = Columns({name: kind}, ("text",), names or {}, separator)
    return columns.with_clean_lists(columns.of({name: value}))[name]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("3", "int32", 3),
        (" -3 ", "int32", -3),
        (3.0, "int32", 3),
        (Decimal(3), "int64", 3),
        ("0.5", "float32", 0.5),
        (Decimal("4.25"), "float32", 4.25),
        (2, "float64", 2.0),
    ],
)
def test_numbers_come_from_numbers_and_texts(value: Any, kind: str, expected: float) -> None:
    assert value_of(value, Value(kind)) == expected


@pytest.mark.parametrize(
    ("value", "kind", "fault"),
    [
        ("three", "int32", "label: 'three' is no whole number"),
        ("3.5", "int32", "label: '3.5' is no whole number"),
        (True, "int32", "label: True is no whole number"),
        ([1], "float32", "label: a list is no number"),
        ("nan", "float32", "label: 'nan' is no number"),
        ("inf", "float32", "label: 'inf' is no number"),
        ("", "float32", "label: no value"),
        (None, "float32", "label: no value"),
        (2**31, "int32", "label: 2147483648 is beyond what int32 holds"),
        (1e39, "float32", "label: 1e+39 is beyond what float32 holds"),
        (None, "string", "label: no value"),
        (["a"], "string", "label: a list, where a text should be"),
    ],
)
def test_what_does_not_fit_its_type_is_a_fault(value: Any, kind: str, fault: str) -> None:
    with pytest.raises(ValueError) as error:
        value_of(value, Value(kind))
    assert str(error.value) == fault


@pytest.mark.parametrize("value", [["a ", "b\u200b"], '["a", "b"]', "a|b", " a | b "])
def test_labels_come_as_a_list_or_in_one_text(value: Any) -> None:
    assert value_of(value, List(Value("string")), separator="|") == ["a", "b"]


@pytest.mark.parametrize("value", [[], "[]", "", "  ", None, float("nan")])
@pytest.mark.parametrize("kind", [Value("string"), SPAN, ANSWER], ids=["labels", "spans", "answers"])
def test_nothing_is_an_empty_list(value: Any, kind: Any) -> None:
    assert value_of(value, List(kind), separator="|") == []


@pytest.mark.parametrize("label", [1, 1.0, True])
def test_one_label_that_is_no_text_is_no_list(label: Any) -> None:
    with pytest.raises(ValueError, match=f"label: {label} is no list"):
        value_of(label, List(Value("string")), separator="|")


def test_a_text_of_labels_needs_a_separator() -> None:
    with pytest.raises(ValueError, match=r"label: 'a|b' is no list; ingest\.label_separator can say"):
        value_of("a|b", List(Value("string")))


def test_spans_have_their_types_and_no_more() -> None:
    given = [{"start": "0", "end": 2.0, "label": 7, "id": 1}]
    assert value_of(given, List(SPAN), "entities") == [{"start": 0, "end": 2, "label": "7"}]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([{"start": 0, "end": 2, "label": "A"}] * 2 + [{"start": "x"}], "entities[2].start: 'x' is no whole number"),
        ([{"start": 0, "label": "A"}], "entities[0].end: no value"),
        ([{"start": 0, "end": 1, "label": ["A"]}], "entities[0].label: a list, where a text should be"),
        ([{"start": 0, "end": 1, "label": "A\0"}], "entities[0].label: holds a NUL character, or half of a character"),
        ([[0, 2, "A"]], "entities[0]: a list is no object with start, end, label"),
        ({"start": 0}, "entities: an object is no list"),
        ("[1", "entities: '[1' is no JSON list"),
        ('{"a": 1}', "entities: '{\"a\": 1}' is no JSON list"),
        ("x" * 60, "entities: a text of 60 characters is no JSON list"),
    ],
)
def test_odd_spans_are_a_fault_with_its_place(value: Any, fault: str) -> None:
    with pytest.raises(ValueError) as error:
        value_of(value, List(SPAN), "entities", separator="|")
    assert str(error.value) == fault


def test_label_names_rename_labels_at_any_depth_and_nothing_else() -> None:
    names = {"0": "low", "1": "high"}
    assert value_of(" 0 ", Value("string"), names=names) == "low"
    assert value_of(["1", "2"], List(Value("string")), names=names) == ["high", "2"]
    spans = [{"start": 0, "end": 1, "label": "1"}]
    assert value_of(spans, List(SPAN), "entities", names) == [{"start": 0, "end": 1, "label": "high"}]
    assert value_of([{"text": "1", "start": 0}], List(ANSWER), "answers", names) == [{"text": "1", "start": 0}]
    assert value_of("0", Value("string"), "text", names) == "0"
    assert value_of("0", Value("string"), "other", names) == "0"


def test_nested_texts_are_clean_and_start_where_their_first_letter_stands() -> None:
    given = [{"text": "\u3000 two\nlines ", "start": 4}]
    assert value_of(given, List(ANSWER), "answers") == [{"text": "two lines", "start": 6}]
