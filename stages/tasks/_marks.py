"""The marks around the two entities of a text: `<e1>pump</e1>`, `<e2>boiler</e2>`."""

from __future__ import annotations

from stages.tasks import Span

MARKS = ["<e1>", "</e1>", "<e2>", "</e2>"]


def marked_spans(text: str) -> list[Span]:
    """The two entities with their marks, in the order of the text, which has no `mark_fault`."""
    pairs = zip(MARKS[::2], MARKS[1::2], strict=True)
    return sorted((text.index(opening), text.index(closing) + len(closing)) for opening, closing in pairs)


def marks_as_words(text: str) -> str:
    """The text with a word for each mark, for who reads words alone."""
    for mark in MARKS:
        text = text.replace(mark, f" {'end' if mark.startswith('</') else 'begin'}{mark.strip('</>')} ")
    return text


def mark_fault(text: str) -> str | None:
    """Everything that is wrong with the marks of a text, or None."""
    faults = [f"mark {mark} is there {count} times, not once" for mark in MARKS if (count := text.count(mark)) != 1]
    if not faults:
        faults = [
            fault
            for opening, closing in zip(MARKS[::2], MARKS[1::2], strict=True)
            if (fault := _pair_fault(text, opening, closing))
        ]
    if not faults:
        (_, end), (start, _) = marked_spans(text)
        faults = ["the two marked entities overlap"] if start < end else []
    return "; ".join(faults) or None


def _pair_fault(text: str, opening: str, closing: str) -> str | None:
    start, end = text.index(opening) + len(opening), text.index(closing)
    if end < start:
        return f"mark {closing} comes before {opening}"
    return None if text[start:end].strip() else f"nothing stands between {opening} and {closing}"
