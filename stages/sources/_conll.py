"""Entities as CoNLL columns: a token and its tag on each line, a blank line between sentences.

Source: Tjong Kim Sang and Veenstra 1999, arXiv:cs/9907006 (IOB1, IOB2); Uchimoto et al. 2000 (BIOES, as start/end)
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pydantic import Field

from stages.shared.errors import quoted
from stages.shared.sections import Section
from stages.sources._encoding import Lines
from stages.sources._records import Input, Record, check_columns, text_fault, too_long

Scheme = Literal["IOB1", "IOB2", "BIOES"]

_COLUMNS = ("text", "entities")
_BORDER = "-DOCSTART-"
_BETWEEN = re.compile(r"[ \t]+")  # a no-break space is a character of a token
_PREFIXES = {"IOB1": "IB", "IOB2": "BI", "BIOES": "BIES"}


class Tags(Section):
    """What the tags of tokens mean, and what stands between two tokens in the text."""

    scheme: Scheme
    joiner: str = Field(max_length=10)


class Conll(Tags):
    """How a CoNLL file is read.

    Attributes:
        token: number of the column that holds the token; from 0, or from the end as -1.
        tag: number of the column that holds the tag.
    """

    token: int
    tag: int


class _Line(NamedTuple):
    number: int
    fields: list[str]


class WrongTag(ValueError):
    """What is wrong with the tag of one token of a sentence, and which: its index."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(what)
        self.index = index


def conll(source: Input, options: Conll) -> Iterator[Record]:
    """A record for each sentence: its `text`, and its `entities`; its place is the line of its first token.

    Raises:
        DataError: other columns are asked for, or a sentence is over the limit of a field.
    """
    check_columns(source.name, _COLUMNS, source.columns)
    width = None
    for lines in _sentences(source):
        width = width or len(lines[0].fields)
        yield _record(source, options, lines, width)


def _sentences(source: Input) -> Iterator[list[_Line]]:
    sentence: list[_Line] = []
    characters = 0
    for number, line in enumerate(Lines(source), start=1):
        content = line.strip(" \t\r\n")
        if content and not content.startswith(_BORDER):
            sentence.append(_Line(number, _BETWEEN.split(content)))
            characters += len(content)
            if characters > source.max_line_bytes:
                raise too_long(source, str(sentence[0].number), "a sentence is too long")
        elif sentence:
            yield sentence
            sentence, characters = [], 0
    if sentence:
        yield sentence


def _record(source: Input, options: Conll, lines: list[_Line], width: int) -> Record:
    number = str(lines[0].number)
    try:
        pairs = [_token_and_tag(index, line.fields, options, width) for index, line in enumerate(lines)]
        tokens, tags = [token for token, _ in pairs], [tag for _, tag in pairs]
        found = text_and_entities(tokens, tags, options.scheme, options.joiner)
    except WrongTag as mistake:
        return Record(number, {}, f"line {lines[mistake.index].number}: {mistake}")
    values = {name: found[column] for name, column in source.columns.items()}
    return Record(number, values, text_fault(values, source.encoding))


def _token_and_tag(index: int, fields: list[str], options: Conll, width: int) -> tuple[str, str]:
    if len(fields) != width:
        raise WrongTag(index, f"{len(fields)} columns where the first sentence has {width}")
    token, tag = (place if place >= 0 else len(fields) + place for place in (options.token, options.tag))
    if token == tag or not {token, tag} <= set(range(len(fields))):
        asked = f"token is {options.token} and tag is {options.tag}"
        raise WrongTag(index, f"has {len(fields)} column{'s' * (len(fields) > 1)}; ingest.source.conll: {asked}")
    return fields[token], fields[tag]


def text_and_entities(tokens: list[str], tags: list[str], scheme: Scheme, joiner: str) -> dict[str, Any]:
    """The text of the tokens, and the entities of their tags with character offsets, the end excluded.

    Args:
        tokens: of one sentence, at least one.
        tags: one for each token.
        scheme: what they mean.
        joiner: what stands between two tokens.

    Returns:
        {"text": str, "entities": [{"start", "end", "label"}]}

    Raises:
        WrongTag: a tag is none of the scheme, or may not stand where it stands.
    """
    starts, ends, place = [], [], 0
    for token in tokens:
        starts.append(place)
        ends.append(place + len(token))
        place = ends[-1] + len(joiner)
    entities = [
        {"start": starts[first], "end": ends[last], "label": label} for first, last, label in _runs(tags, scheme)
    ]
    return {"text": joiner.join(tokens), "entities": entities}


def _runs(tags: list[str], scheme: Scheme) -> list[tuple[int, int, str]]:
    """First and last token, and type, of each entity."""
    runs: list[tuple[int, int, str]] = []
    before, label_before = "O", ""
    for index, tag in enumerate(tags):
        prefix, label = _parts(index, tag, scheme)
        is_same = before != "O" and label == label_before
        goes_on = _goes_on(prefix, before, is_same, scheme)
        if goes_on is None:
            where = f"follow {quoted(tags[index - 1])}" if index else "begin a sentence"
            raise WrongTag(index, f"tag {quoted(tag)} may not {where} in {scheme}")
        if goes_on:
            runs[-1] = (runs[-1][0], index, label)
        elif prefix != "O":
            runs.append((index, index, label))
        before, label_before = prefix, label
    if scheme == "BIOES" and before in ("B", "I"):
        raise WrongTag(len(tags) - 1, f"tag {quoted(tags[-1])} may not end a sentence in {scheme}")
    return runs


def _parts(index: int, tag: str, scheme: Scheme) -> tuple[str, str]:
    """Prefix and type of a tag; the prefix of `O` is O."""
    prefix, _, label = tag.partition("-")
    if tag != "O" and (prefix not in list(_PREFIXES[scheme]) or not label):
        known = ", ".join(f"{letter}-<type>" for letter in _PREFIXES[scheme])
        raise WrongTag(index, f"tag {quoted(tag)} is none of {scheme}: O, {known}")
    return prefix, label


def _goes_on(prefix: str, before: str, is_same: bool, scheme: Scheme) -> bool | None:
    """Whether a token goes on with the entity before it; None where its tag is not allowed.

    Args:
        prefix: of its tag.
        before: that of the token before it, O at the start.
        is_same: whether both tags are of an entity, and of the same type.
        scheme: what the tags mean.
    """
    if scheme == "IOB1":  # B- only parts an entity from one of its own type just before it
        return None if prefix == "B" and not is_same else prefix == "I" and is_same
    if scheme == "IOB2":
        return None if prefix == "I" and not is_same else prefix == "I"
    is_open = before in ("B", "I")
    if prefix in ("I", "E"):
        return True if is_open and is_same else None
    return None if is_open else False
