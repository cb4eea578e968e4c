"""Translations on disk, by text, way, engine and its options; parallel runs share them.

One SQLite file: a killed run leaves it whole, with what was stored before. A damaged one is set aside with a warning.
"""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from stages.shared.errors import MachineError

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_FILE = "translations.sqlite"
_PATIENCE = 120  # seconds to wait for another run that is writing


class TranslationCache:
    """The translations that one engine, with its options, has made so far.

    Attributes:
        hits: how many texts were found.
        misses: how many had to be translated.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self._path = folder / _FILE
        self._engine = engine
        self.hits = 0
        self.misses = 0
        with FileLock(folder / f"{_FILE}.lock"):
            try:
                self._connection = self._opened()
            except sqlite3.DatabaseError as error:
                self._set_aside(error)
                self._connection = self._opened()

    def translated(self, texts: Sequence[str], way: str, translate: Callable[[list[str]], list[str]]) -> list[str]:
        """The translation of each text: as stored, or by one call of `translate` for all that are not, then stored."""
        known = self._guarded(lambda: self._read(texts, way))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        self.hits += len(texts) - len(missing)
        self.misses += len(missing)
        if missing:
            made = dict(zip(missing, translate(missing), strict=True))
            self._guarded(lambda: self._write(made, way))
            known |= made
        return [known[text] for text in texts]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE)
        try:
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS translations (key BLOB PRIMARY KEY, text TEXT, digest BLOB) WITHOUT ROWID"
            )
            connection.execute("SELECT key, text, digest FROM translations LIMIT 1")
        except BaseException:
            connection.close()
            raise
        return connection

    def _guarded(self, operation: Callable[[], _Result]) -> _Result:
        """What an operation gives; when the file turns out to be damaged, what it gives on a fresh one."""
        try:
            return operation()
        except sqlite3.OperationalError as error:
            raise MachineError(
                f"{self._path}: cannot be used: {error}. Free space, fix the rights, or delete it."
            ) from error
        except sqlite3.DatabaseError as error:
            with FileLock(f"{self._path}.lock"):
                self._connection.close()
                self._set_aside(error)
                self._connection = self._opened()
            return operation()

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        if isinstance(error, sqlite3.OperationalError):  # locked, read-only, no space: the file itself may be good
            raise MachineError(f"{self._path}: cannot be opened: {error}. Fix the rights, or delete it.") from error
        number = 1
        while (aside := self._path.with_suffix(f".damaged{number}")).exists():
            number += 1
        self._path.rename(aside)
        self._path.with_name(f"{_FILE}-journal").unlink(missing_ok=True)
        _log.warning("%s is damaged (%s): kept as %s, a new one is begun.", self._path, error, aside.name)

    def _key(self, text: str, way: str) -> bytes:
        return hashlib.sha256(json.dumps([self._engine, way, text]).encode()).digest()

    def _read(self, texts: Sequence[str], way: str) -> dict[str, str]:
        found = {}
        for text in dict.fromkeys(texts):
            key = self._key(text, way)
            query = "SELECT text, digest FROM translations WHERE key = ?"
            row = self._connection.execute(query, (key,)).fetchone()
            if row and row[1] == _digest(key, row[0]):
                found[text] = row[0]
        return found

    def _write(self, made: dict[str, str], way: str) -> None:
        keys = {self._key(text, way): translation for text, translation in made.items()}
        rows = [(key, translation, _digest(key, translation)) for key, translation in keys.items()]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO translations VALUES (?, ?, ?)", rows)


def _digest(key: bytes, text: str) -> bytes:
    """What a row must carry, so that a flipped bit in it is found: SQLite itself checks none."""
    return hashlib.sha256(key + text.encode()).digest()[:8]
