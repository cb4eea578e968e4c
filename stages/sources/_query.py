"""The query of a file, checked before any database is asked: one query, whose rows are in a certain order."""

import re
from pathlib import Path

from stages.shared.errors import DataError
from stages.sources._places import existing

_QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_BRACKETS = re.compile(r"\([^()]*\)")


def read_query(path: Path) -> str:
    """The query of a file, without the semicolon at its end.

    Raises:
        DataError: it is not one query whose rows are in a certain order.
    """
    try:
        query = existing(path).read_text(encoding="utf-8-sig").strip().rstrip("; \n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}. Convert it.") from None
    code = _QUOTED.sub(" ", query)
    first = code.lstrip("( \n\r\t").partition(" ")[0].split()
    if not first or first[0].lower() not in ("select", "with"):
        raise DataError(f"{path}: is no query: it begins with '{''.join(first)}', not with SELECT or WITH.")
    bare = _outermost(code)
    if ";" in bare.strip().rstrip(";"):
        raise DataError(f"{path}: holds more than one statement. Leave one query in it.")
    if not re.search(r"\border\s+by\b", bare, re.IGNORECASE):
        raise DataError(
            f"{path}: has no ORDER BY, so the database may give the rows in any order, another each time. Order the "
            f"whole query by a column that differs in every row, such as its id."
        )
    return query


def _outermost(code: str) -> str:
    """What stands outside of all brackets, so that the order of a part is not taken for that of the whole."""
    inner = ""
    while code != inner:
        code, inner = _BRACKETS.sub(" ", code), code
    return code
