"""The values of a row as the columns of the task hold them: of the right type, and clean, also in lists and objects."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from datasets import List, Value

from serving.text import clean
from stages.shared.errors import quoted

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def as_text(value: Any) -> str:
    """A value of the source as text: 1 is `1`, true is `true`.

    Raises:
        ValueError: there is no value, or it is a list or an object.
    """
    if isinstance(value, str):
        return value
    if _is_missing(value):
        raise ValueError("no value")
    if isinstance(value, list | dict | bytes):
        raise ValueError(f"{_kind(value)}, where a text should be")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, bytes):
        return "bytes"
    return "a list" if isinstance(value, list) else "an object"


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError(f"{_shown(value)}, where bytes should be")


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # NaN, as data frames write what is missing


class Columns:
    """Makes what a task's columns hold from what a source's row holds.

    Args:
        columns: of the task, with their types (`datasets` features).
        texts: those that hold texts.
        label_names: label of the source: label of the task.
        separator: what parts the labels that stand in one text, or None.
    """

    def __init__(
        self, columns: Mapping[str, Any], texts: Collection[str], label_names: Mapping[str, str], separator: str | None
    ) -> None:
        self.names = sorted(columns)
        self._label_names, self._separator = label_names, separator
        self._types = {name: columns[name] for name in self.names}
        self._texts = frozenset(texts)
        self._nested = [name for name, kind in self._types.items() if not isinstance(kind, Value)]

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a row, by the names of the columns; texts, and what is in lists, are as the source has them.

        Raises:
            ValueError: one cannot be what its column holds; the message says where it stands.
        """
        return {name: self._column(name, values[name]) for name in self.names}

    def with_clean_lists(self, example: dict[str, Any]) -> dict[str, Any]:
        """The example with every text in a list or an object clean, and labels there by the names of the task.

        It comes after the spans have been moved to the clean texts, which may need what they said of the old ones.
        """
        if not self._nested:
            return example
        return example | {name: self._clean(example[name], name) for name in self._nested}

    def _clean(self, value: Any, name: str) -> Any:
        """A value whose every text is clean; `name` is the key that it stands under."""
        if isinstance(value, str):
            text = clean(value)
            return self._label_names.get(text, text) if name == "label" else text
        if isinstance(value, list):
            return [self._clean(item, name) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: self._clean(item, key) for key, item in value.items()}
        if "text" in value and "start" in value:  # where the first letter of the text stands
            found["start"] += len(value["text"]) - len(value["text"].lstrip())
        return found

    def _column(self, name: str, value: Any) -> Any:
        kind = self._types[name]
        if isinstance(kind, Value) and kind.dtype == "binary":
            return _at(name, _as_bytes, value)
        if name in self._texts:
            return value if isinstance(value, str) else _at(name, as_text, value)
        if isinstance(kind, Value) and kind.dtype == "string":
            given = _at(name, as_text, value).strip()
            return self._label_names.get(given, given) if name == "label" else given
        return self._typed(value, kind, name)

    def _typed(self, value: Any, kind: Any, where: str) -> Any:
        if isinstance(kind, List):
            items = self._items(value, kind.feature, where)
            return [self._typed(item, kind.feature, f"{where}[{number}]") for number, item in enumerate(items)]
        if isinstance(kind, Mapping):
            return self._object(value, kind, where)
        if kind.dtype == "string":
            return _at(where, _inner_text, value)
        return _at(where, lambda given: _number(given, kind.dtype), value)

    def _object(self, value: Any, kind: Mapping[str, Any], where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: {_shown(value)} is no object with {', '.join(kind)}")
        return {name: self._typed(value.get(name), inner, f"{where}.{name}") for name, inner in kind.items()}

    def _items(self, value: Any, kind: Any, where: str) -> list[Any]:
        """The items of a list, of JSON text of one, of a text of labels, or of nothing, which is an empty list."""
        if isinstance(value, list):
            return value
        if _is_missing(value) or (isinstance(value, str) and not value.strip()):
            return []
        if isinstance(value, str):
            return self._items_of_text(value, kind, where)
        raise ValueError(f"{where}: {_shown(value)} is no list")

    def _items_of_text(self, text: str, kind: Any, where: str) -> list[Any]:
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            items = None
        if isinstance(items, list):
            return items
        if not isinstance(kind, Value) or kind.dtype != "string":
            raise ValueError(f"{where}: {_shown(text)} is no JSON list")
        if self._separator is None:
            raise ValueError(
                f"{where}: {_shown(text)} is no list; ingest.label_separator may say what parts its labels"
            )
        return [part.strip() for part in text.split(self._separator)]


def _at(where: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """What `convert` makes of the value; its error also says where the value stands."""
    try:
        return convert(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _shown(value: Any) -> str:
    """A value in words: a number or a short text as it is."""
    if isinstance(value, list | Mapping | bytes):
        return _kind(value)
    return quoted(value) if isinstance(value, str) else repr(value)


def _inner_text(value: Any) -> str:
    text = as_text(value)
    if not text.isprintable() and _NOT_TEXT.search(text):
        raise ValueError("holds a NUL character, or half of a character")
    return text


def _number(value: Any, dtype: str) -> int | float:
    """A number of the type, from a number or from its text.

    Raises:
        ValueError: it is none, or does not fit the type.
    """
    if _is_missing(value) or value == "":
        raise ValueError("no value")
    is_whole = dtype.startswith(("int", "uint"))
    try:
        number = float(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not np.isfinite(number) or (is_whole and not number.is_integer()):
        raise ValueError(f"{_shown(value)} is no {'whole ' if is_whole else ''}number")
    limits = np.iinfo(dtype) if is_whole else np.finfo(dtype)
    if not float(limits.min) <= number <= float(limits.max):
        raise ValueError(f"{_shown(value)} is beyond what {dtype} holds")
    return int(number) if is_whole else number
