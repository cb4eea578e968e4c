"""The way into a database: its URL with what stands in the environment, and its errors, without passwords."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.sources._places import existing

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

BATCH = 2_000  # rows fetched at once

_NAME = re.compile(r"\$\{(\w+)\}")
_MACHINE = ("08", "53", "57", "58")  # classes of SQLSTATE: connection, resources, shut down, system


def _url(template: str) -> URL:
    """The URL of the database, with what stands in the environment.

    Raises:
        ParamsError: it is none. MachineError: a variable is not set.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    wanted = _NAME.findall(template)
    if missing := [name for name in wanted if name not in os.environ]:
        listed = ", ".join(dict.fromkeys(missing))
        raise MachineError(f"ingest.source.url: the environment has no {listed}. Set it before the run.")
    whole = _NAME.fullmatch(template)
    try:
        url = make_url(os.environ[whole[1]] if whole else template)
    except (ArgumentError, ValueError):
        raise ParamsError(
            "ingest.source.url: is no URL of a database, as postgresql+pg8000://reader:${DB_PASSWORD}@host:5432/name "
            "or sqlite:///folder/file.db."
        ) from None
    return url if whole else _filled(url)


def _filled(url: URL) -> URL:
    """The URL with each `${NAME}` replaced, part by part, so that a password may hold any character."""

    def fill(part: str) -> str:
        return _NAME.sub(lambda match: os.environ[match[1]], part)

    parts = {name: fill(part) for name in ("username", "password", "host", "database") if (part := getattr(url, name))}
    query = {
        name: fill(value) if isinstance(value, str) else tuple(map(fill, value)) for name, value in url.query.items()
    }
    return url.set(**parts, query=query)  # type: ignore[arg-type]


def _engine(url: URL) -> Engine:
    """The way into a database.

    Raises:
        ParamsError: SQLAlchemy knows no such database. MachineError: the driver is not installed, or no file is there.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    file = url.database
    if url.get_backend_name() == "sqlite" and file and file != ":memory:" and not file.startswith("file:"):
        existing(Path(file))  # sqlite would make an empty one
    try:
        return create_engine(url)
    except (NoSuchModuleError, ArgumentError) as error:
        raise ParamsError(f"ingest.source.url: '{url.drivername}' is no database and driver: {error}") from None
    except ImportError as error:
        raise MachineError(
            f"ingest.source.url: '{url.drivername}' needs the Python package '{error.name}'. Install it; that of "
            f"postgresql+pg8000 comes with pip install -c constraints.txt -e '.[sql]'."
        ) from None


@contextmanager
def connected(template: str) -> Iterator[tuple[Connection, URL]]:
    """A connection that hands rows on in batches, and the URL that it leads to; nothing is ever committed.

    Args:
        template: the URL, in which `${NAME}` stands for a variable of the environment.

    Raises:
        ParamsError: the URL is none. MachineError: a variable, the driver or the database is missing.
    """
    from sqlalchemy.exc import SQLAlchemyError

    url = _url(template)
    engine = _engine(url)
    try:
        try:
            connection = engine.connect()
        except (SQLAlchemyError, OSError, TypeError) as error:  # TypeError: an option that the driver does not know
            raise MachineError(
                f"ingest.source.url: {_shown(url)}: cannot connect: {message_of(error, url)}. Is the server running, "
                f"and may this user read there from here?"
            ) from None
        with _quiet():
            try:
                yield connection.execution_options(yield_per=BATCH, no_parameters=True), url
            finally:
                with suppress(SQLAlchemyError, OSError):  # a broken connection cannot even be ended
                    connection.close()
    finally:
        engine.dispose()


def _shown(url: URL) -> str:
    """The URL without the password, which may also stand among the options."""
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep SQLAlchemy from logging that a cursor cannot be closed after an error, which is told already."""
    logger = logging.getLogger("sqlalchemy.pool")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def message_of(error: Exception, url: URL) -> str:
    """What the driver says, in one line, without the password."""
    original = getattr(error, "orig", None) or error
    fields = original.args[0] if original.args else None
    said = str(fields.get("M", fields) if isinstance(fields, dict) else original)  # a dict of PostgreSQL's by pg8000
    line = " ".join(said.split()) or type(original).__name__
    passwords = [url.password, *(value for name, value in url.query.items() if name.lower() in ("password", "pwd"))]
    for password in passwords:
        line = line.replace(password, "***") if isinstance(password, str) and password else line
    return line[:500].rstrip(".")


def failure(error: Exception, url: URL, query: str) -> DataError | MachineError:
    """The error of a query that did not run to its end: the machine's where the connection broke, else the query's."""
    said = getattr(getattr(error, "orig", None), "args", ()) or ("",)
    state = said[0].get("C", "") if isinstance(said[0], dict) else ""
    where, message = f"{query}: {_shown(url)}", message_of(error, url)
    is_broken = isinstance(error, OSError) or getattr(error, "connection_invalidated", False)
    if is_broken or state.startswith(_MACHINE):
        return MachineError(f"{where}: the connection broke: {message}. Run it again.")
    return DataError(f"{where}: the database refuses the query: {message}. Mend the query.")
