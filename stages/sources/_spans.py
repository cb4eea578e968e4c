"""Entities as JSON has them, in one form: `start`, `end` (excluded) and `label`, in characters."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Ends = Literal["exclusive", "inclusive"]


def with_spans(values: dict[str, Any], ends: Ends) -> dict[str, Any]:
    """The values of a row with its `entities` in the one form, and checked against its `text` where it can be.

    Entities may be a list of objects with `start`, `end` and `label`, a list of [start, end, label], or an object
    {label: {mention: [[start, end], ...]}}; or JSON text of one of these.

    Args:
        values: of the row, by the task's names.
        ends: whether `end` is the last character or the one after it.

    Raises:
        ValueError: they are none of these, or a mention does not stand where it should.
    """
    given, text = _parsed(values["entities"]), values.get("text")
    found = []
    for where, (start, end, label), mention in _spans(given):
        if ends == "inclusive":
            end = _whole(end, f"{where}.end") + 1
        if mention is not None and isinstance(text, str):
            _check_mention(text, _whole(start, f"{where}.start"), _whole(end, f"{where}.end"), mention, where)
        found.append({"start": start, "end": end, "label": label})
    return {**values, "entities": found}


_Span = tuple[str, tuple[Any, Any, Any], Any]  # where it stands in the row, start, end and label, mention or None


def _parsed(given: Any) -> Any:
    if not isinstance(given, str):
        return [] if given is None else given
    try:
        return json.loads(given) if given.strip() else []
    except (ValueError, RecursionError) as error:
        raise ValueError(f"entities: is no JSON: {error}") from None


def _spans(given: Any) -> Iterator[_Span]:
    if isinstance(given, Mapping):
        yield from _by_label(given)
        return
    if not isinstance(given, list):
        raise ValueError("entities: is neither a list nor an object")
    for number, item in enumerate(given):
        where = f"entities[{number}]"
        if isinstance(item, Mapping):
            missing = [f"'{name}'" for name in ("start", "end", "label") if name not in item]
            if missing:
                raise ValueError(f"{where}: has no {' and no '.join(missing)}")
            yield where, (item["start"], item["end"], item["label"]), item.get("text")
        elif isinstance(item, list) and len(item) == 3:
            yield where, (item[0], item[1], item[2]), None
        else:
            raise ValueError(f"{where}: is neither [start, end, label] nor an object with these")


def _by_label(given: Mapping[str, Any]) -> Iterator[_Span]:
    """The spans of {label: {mention: [[start, end], ...]}}."""
    for label, mentions in given.items():
        if not isinstance(mentions, Mapping):
            raise ValueError(f"entities.{label}: is no object of mentions")
        for number, (mention, places) in enumerate(mentions.items()):
            where = f"entities.{label}[{number}]"
            if not isinstance(places, list):
                raise ValueError(f"{where}: is no list of [start, end]")
            for place in places:
                if not isinstance(place, list) or len(place) != 2:
                    raise ValueError(f"{where}: is no list of [start, end]")
                yield where, (place[0], place[1], label), mention


def _whole(number: Any, where: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f"{where}: is no whole number")
    return number


def _check_mention(text: str, start: int, end: int, mention: Any, where: str) -> None:
    found = text[start:end] if 0 <= start <= end else ""
    if found != mention:
        raise ValueError(f"{where}: at {start} to {end} (end excluded) it does not stand")
