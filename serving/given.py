"""What a user gives to be answered: words of the command line, or lines of standard input."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.errors import WrongUsage

_CHUNK = 1 << 16  # bytes asked of standard input at once; fewer come when fewer are there
_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are no UTF-8


@dataclass(frozen=True)
class Given:
    """The texts of one example by their names, where they were given, and why they cannot be read, if they cannot."""

    place: str
    texts: dict[str, str] = field(default_factory=dict)
    fault: str | None = None

    def shown(self) -> dict[str, str]:
        """The texts as any JSON can hold them."""
        return {name: _SURROGATE.sub("\ufffd", text) for name, text in self.texts.items()}


def lines_of(descriptor: int) -> Iterator[bytes]:
    """The lines of an open file as they arrive, without LF or CRLF; an unfinished last line counts."""
    rest = b""
    while chunk := os.read(descriptor, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)
    if rest:
        yield rest


def from_words(words: Sequence[str], inputs: Sequence[str]) -> Iterator[Given]:
    """The examples of the command line, so many words each as there are inputs.

    Raises:
        WrongUsage: at once, when some are missing from the last.
    """
    size = len(inputs)
    if len(words) % size:
        missing = " and ".join(inputs[len(words) % size :])
        raise WrongUsage(
            f"{len(words)} texts given: this bundle takes them by {size}, {' and '.join(inputs)}. "
            f"Give the {missing} of the last too."
        )
    groups = (words[start : start + size] for start in range(0, len(words), size))
    return (Given(f"text {number}", dict(zip(inputs, group, strict=True))) for number, group in enumerate(groups, 1))


def wanted(inputs: Sequence[str]) -> str:
    """A line of standard input as it must be."""
    return json.dumps(dict.fromkeys(inputs, "..."))


def _from_json(place: str, line: str, inputs: Sequence[str]) -> Given:
    try:
        value: Any = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return Given(place, fault=f"the line is no JSON: {error}. Wanted is {wanted(inputs)}")
    if not isinstance(value, dict):
        return Given(place, fault=f"the line is no JSON object. Wanted is {wanted(inputs)}")
    texts = {name: value[name] for name in inputs if isinstance(value.get(name), str)}
    wrong = [f"`{name}` is {'no text' if name in value else 'missing'}" for name in inputs if name not in texts]
    return Given(place, texts, f"{', '.join(wrong)}. Wanted is {wanted(inputs)}" if wrong else None)


def from_lines(descriptor: int, inputs: Sequence[str], as_json: bool) -> Iterator[Given]:
    """The examples of an open file, one a line as it arrives: a text, or a JSON object with a text for each input.

    Bytes that are no UTF-8 stay in the texts as surrogates.
    """
    for number, line in enumerate(lines_of(descriptor), start=1):
        place, text = f"standard input, line {number}", line.decode("utf-8", errors="surrogateescape")
        yield _from_json(place, text, inputs) if as_json else Given(place, {inputs[0]: text})
