"""What is to be recorded, on disk before MLflow hears of it: `.temper/spool/<record>/`.

A record is a file of calls, one a line, and the files that belong to them. It is there until MLflow has taken all of
it, so a store that is away, or a kill, loses nothing.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from stages.shared.session import is_alive, process_key
from stages.shared.tracking.registry import BUNDLE, REGISTRATION
from stages.shared.tracking.runs import files_to_look_at
from stages.shared.workspace import state_folder

SPOOL = "spool"
REFUSED = ".refused"  # ends the name of a record that the store will never take
Call = dict[str, Any]


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)  # outputs are replaced, never written in place
    except OSError:
        shutil.copyfile(source, target)


@dataclasses.dataclass(frozen=True)
class Journal:
    """One record, in its folder."""

    folder: Path

    @classmethod
    def begin(cls, uri: str) -> "Journal":
        """A new record, of this process, for the store of that address."""
        folder = state_folder(SPOOL) / f"{time.time_ns()}-{os.getpid()}"
        folder.mkdir()
        journal = cls(folder)
        journal.add("begin", uri=uri, process=process_key(psutil.Process()))
        return journal

    @property
    def name(self) -> str:
        """What tells it from all others."""
        return self.folder.name

    @property
    def _file(self) -> Path:
        return self.folder / "calls.jsonl"

    def add(self, call: str, **given: Any) -> None:
        """Write a call down, with the moment in milliseconds."""
        line = {"call": call, "at": int(time.time() * 1000), **given}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def keep(self, out: Path, pages: dict[str, bytes]) -> str:
        """Keep the files of a stage's folder that are recorded; give the name under which they are found."""
        kept = self.folder / f"files-{len(list(self.folder.iterdir()))}"
        kept.mkdir()
        bundle = (path for path in (out / BUNDLE).rglob("*") if path.is_file())
        for path in {*files_to_look_at(out), *bundle, *filter(Path.is_file, [out / REGISTRATION])}:
            _link(path, kept / path.relative_to(out))
        for name, content in pages.items():
            (kept / name).write_bytes(content)
        return kept.name

    def calls(self, start: int = 0) -> Iterator[tuple[Call, int]]:
        """The calls from a place in the file on, each with the place after it; not one that a kill cut short."""
        if not self._file.is_file():
            return
        with self._file.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                yield json.loads(line), start

    def remove(self) -> None:
        """Forget it: the store has all of it."""
        shutil.rmtree(self.folder)

    def refuse(self) -> Path:
        """Set it aside: the store will never take it. Gives where it lies then."""
        return self.folder.rename(self.folder.with_name(f"{self.name}{REFUSED}"))


def left_behind() -> list[Journal]:
    """The records of processes that are gone, oldest first. Those that hold nothing are removed."""
    found = []
    for folder in sorted(state_folder(SPOOL).iterdir()):
        if not folder.is_dir() or folder.name.endswith(REFUSED):
            continue
        journal = Journal(folder)
        first = next(journal.calls(), None)
        if first is not None and not is_alive(first[0]["process"]):
            found.append(journal)
        elif first is None and not psutil.pid_exists(int(folder.name.partition("-")[2])):
            with contextlib.suppress(OSError):
                journal.remove()
    return found
