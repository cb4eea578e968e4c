"""Answers to a question as data sets have them, in one form: `text` and `start`, in characters of the context."""

import json
from collections.abc import Mapping
from typing import Any


def answers_from(given: Any) -> list[dict[str, Any]]:
    """The answers in the one form, also those that several annotators gave; none is an empty list.

    They may be a list of objects with `text` and `answer_start` (or `start`), an object with a list of each, or JSON
    text of one of these.

    Raises:
        ValueError: they are none of these.
    """
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"answers: is no JSON: {error}") from None
    items = _rows(given) if isinstance(given, Mapping) else given
    if items is None or (isinstance(items, str) and not items.strip()):
        return []
    if not isinstance(items, list):
        raise ValueError("answers: is no list")
    return [_answer(number, item) for number, item in enumerate(items)]


def _rows(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers of {"text": [...], "answer_start": [...]}, as the hub's SQuAD has them."""
    columns = {name: values for name, values in given.items() if name in ("text", "start", "answer_start")}
    lengths = {len(values) if isinstance(values, list) else -1 for values in columns.values()}
    if len(columns) != 2 or len(lengths) != 1 or -1 in lengths:
        raise ValueError("answers: is no object with a list `text` and an `answer_start` of the same length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _answer(number: int, item: Any) -> dict[str, Any]:
    start = {"start", "answer_start"} & set(item) if isinstance(item, Mapping) else set()
    if len(start) != 1 or "text" not in item:
        raise ValueError(f"answers[{number}]: is no object with a `text` and an `answer_start`")
    return {"text": item["text"], "start": item[start.pop()]}
