"""Questions on paragraphs, as SQuAD 1.1 and 2.0 have them: data -> paragraphs -> qas, one paragraph at a time.

Source: Rajpurkar et al. 2016, arXiv:1606.05250, and 2018, arXiv:1806.03822 (`is_impossible`)
"""

from collections.abc import Iterator
from typing import Any

from stages.sources._answers import answers_from
from stages.sources._json_stream import JsonStream
from stages.sources._records import Input, Record, check_columns, text_fault

_COLUMNS = ("id", "question", "context", "answers")
_HINT = "It should be an object with `data`, a list of articles, each with `paragraphs`. Mend the file, or fetch it."


def squad(source: Input) -> Iterator[Record]:
    """A record for each question: its `question`, `context`, `answers` (several equal ones once), and `id`.

    Its place is the number of the paragraph in the file, from 1, and the question's id, or its number without one.

    Raises:
        DataError: the file is no such document; or other columns are asked for.
    """
    check_columns(source.name, _COLUMNS, source.columns)
    stream = JsonStream(source, "SQuAD document", _HINT)
    if not stream.next_character():
        return
    has_data = False
    for number, _ in enumerate(_paragraphs(stream), start=1):
        has_data = True
        yield from _questions(source, f"paragraph {number}", stream.value())
    stream.end()
    if not has_data:
        raise stream.error("it holds no paragraphs")


def _paragraphs(stream: JsonStream) -> Iterator[None]:
    """Go through a document: stops before each paragraph, which must be taken."""
    for name in stream.members():
        if name != "data":
            stream.value()
            continue
        for _ in stream.items():
            for inner in stream.members():
                if inner == "paragraphs":
                    yield from stream.items()
                else:
                    stream.value()


def _questions(source: Input, place: str, paragraph: Any) -> Iterator[Record]:
    questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
    if not isinstance(paragraph, dict) or "context" not in paragraph or not isinstance(questions, list):
        yield Record(place, {}, "is no object with a `context` and a list `qas`")
        return
    for number, item in enumerate(questions, start=1):
        where = f"{place}, question {_name_of(item) or number}"
        try:
            found = _question(item) | {"context": paragraph["context"]}
        except ValueError as error:
            yield Record(where, {}, str(error))
            continue
        values = {name: found[column] for name, column in source.columns.items() if column in found}
        missing = [f"'{column}'" for column in source.columns.values() if column not in found]
        fault = f"has no {' and no '.join(missing)}" if missing else text_fault(values, source.encoding)
        yield Record(where, values, fault)


def _name_of(item: Any) -> str:
    """The id of a question where it can stand in a line of text, else nothing."""
    given = item.get("id") if isinstance(item, dict) else None
    return str(given) if isinstance(given, str | int) and str(given).isprintable() else ""


def _question(item: Any) -> dict[str, Any]:
    """The columns of a question, but for its context.

    Raises:
        ValueError: it is no question, or it is not clear what its answers are.
    """
    if not isinstance(item, dict):
        raise ValueError("is no object with a question")
    found = {name: item[name] for name in ("id", "question") if item.get(name) is not None}
    answers, impossible = item.get("answers"), item.get("is_impossible")
    if answers is None and impossible is not True:
        return found
    if impossible is True and answers:
        raise ValueError("is_impossible, yet it has answers")
    if impossible is False and not answers:
        raise ValueError("has no answers, yet is_impossible is false")
    return found | {"answers": answers_from(answers)}
