"""Rows of a SQL query, read as a stream through SQLAlchemy from any database that there is a driver for.

DVC watches the file with the query, not the database: when the data there has changed, `dvc repro -f ingest` reads it
again. Nothing is written there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.shared.errors import DataError
from stages.shared.sections import Choice
from stages.sources import Row
from stages.sources._database import connected, failure
from stages.sources._query import read_query
from stages.sources._records import Input, Record, check_asked, check_columns, check_length, row_of, text_fault

if TYPE_CHECKING:
    from sqlalchemy import CursorResult


class Params(Choice):
    """Options of the source: the query, the database, and what the query's columns are called.

    `path` is the file with the query. `${NAME}` in `url` is taken from the environment.
    """

    name: Literal["sql"]
    path: str = Field(min_length=1)
    url: str = Field(min_length=1)
    columns: dict[str, str] = Field(min_length=1)
    max_field_characters: int = Field(gt=0)


def read(path: Path, params: Params, wanted: tuple[str, ...]) -> Iterator[Row]:
    """Stream the rows of the query, in its order. A row's place is its number, from 1.

    Raises:
        ParamsError: `columns` or `url` do not fit. MachineError: the file, a variable, the driver or the database is
            missing, or the connection breaks. DataError: the query is none, has no order, is refused, gives other
            columns or no rows, or a field over the limit.
    """
    from sqlalchemy.exc import SQLAlchemyError

    check_asked(params.columns, wanted, ("id", "split"))
    query = read_query(path)
    source = Input(path, params.columns, "utf-8", params.max_field_characters)
    with connected(params.url) as (connection, url):
        try:
            yield from _rows(source, connection.exec_driver_sql(query))
        except (SQLAlchemyError, OSError) as error:  # a driver lets through what its socket says
            raise failure(error, url, path.name) from None


def _rows(source: Input, result: CursorResult[Any]) -> Iterator[Row]:
    names = list(result.keys())
    check_columns(source.name, names, source.columns)
    places = {name: names.index(column) for name, column in source.columns.items()}
    number = 0
    for number, found in enumerate(result, start=1):
        values = {name: found[place] for name, place in places.items()}
        record = Record(f"row {number}", values, text_fault(values, "utf-8"))
        check_length(source, record)
        yield row_of(source, "all", record)
    if not number:
        raise DataError(f"{source.name}: the query gives no rows. Does it ask for the right ones?")
