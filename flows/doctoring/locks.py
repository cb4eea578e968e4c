"""Locks of DVC that nobody holds any more."""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from flows.doctoring import Finding
from flows.doctoring.living import at_work, is_dvc, names_of
from stages.shared.errors import MachineError

FOLDER = Path(".dvc/tmp")
LOCK, RWLOCK = "lock", "rwlock"


def look() -> Iterator[Finding]:
    """A lock file of the kind that outlives its process, and entries of `rwlock` of processes that are gone."""
    yield from _hardlink()
    yield from _rwlock()


def mend_locks(say: Callable[[str], object]) -> None:
    """Free what processes that are gone have locked, and say so.

    Raises:
        MachineError: a `dvc` that lives has locked something; its pid, and since when, is said.
    """
    for finding in look():
        if finding.mend is not None:
            finding.mend()
            say(f"{finding.what}: mended")
    for pid in _pids(_read() or {}) if (FOLDER / RWLOCK).is_file() else ():
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(psutil.Process(pid).create_time()))
        raise MachineError(
            f"{Path.cwd()} is locked by pid {pid} since {since}, a `dvc`. Wait until it ends, or stop it."
        )


def _hardlink() -> Iterator[Finding]:
    """DVC's default lock ends with its process; with core.hardlink_lock it is a file: <claim file>|host|pid|number."""
    file = FOLDER / LOCK
    words = file.read_text(encoding="utf-8").strip().split("|") if file.is_file() else []
    if len(words) == 4 and words[2].isdigit() and not _is_living_dvc(int(words[2])):
        what = f"{file}: the lock of pid {words[2]}, which is gone"
        yield Finding(what, f"Remove {file}.", lambda: file.unlink())


def _is_living_dvc(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return is_dvc(psutil.Process(pid))  # the number of a dead one may be another program's by now
    return False


@contextmanager
def _guarded() -> Iterator[None]:
    """While no `dvc` edits `rwlock`, as it guards that itself."""
    with (FOLDER / f"{RWLOCK}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read() -> dict[str, Any] | None:
    """What `rwlock` says; None when it is no such thing."""
    try:
        told = json.loads((FOLDER / RWLOCK).read_text(encoding="utf-8"))
        for pid in _pids(told):
            int(pid)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return told if isinstance(told, dict) else None


def _pids(told: dict[str, Any]) -> set[int]:
    readers = [entry["pid"] for entries in told.get("read", {}).values() for entry in entries]
    return {*readers, *(entry["pid"] for entry in told.get("write", {}).values())}


def _rwlock() -> Iterator[Finding]:
    file = FOLDER / RWLOCK
    if not file.is_file():
        return
    told = _read()
    if told is None:
        if workers := list(at_work()):
            yield Finding(f"{file}: cut, and in use by {names_of(workers)}", "Wait until they end, and look again.")
        else:
            yield Finding(f"{file}: cut, so that `dvc` refuses to run", f"Remove {file}.", lambda: _write({}))
        return
    dead = {pid for pid in _pids(told) if not _is_living_dvc(pid)}
    if dead:
        names = ", ".join(map(str, sorted(dead)))
        yield Finding(f"{file}: locks of pid {names}, gone", f"Remove {file} when no `dvc` runs.", lambda: _free(dead))


def _write(told: dict[str, Any]) -> None:
    with _guarded():
        (FOLDER / RWLOCK).write_text(json.dumps(told), encoding="utf-8")


def _free(dead: set[int]) -> None:
    """Take out the entries of processes that are gone."""
    with _guarded():
        told = _read() or {}
        read = {path: [e for e in entries if e["pid"] not in dead] for path, entries in told.get("read", {}).items()}
        write = {path: entry for path, entry in told.get("write", {}).items() if entry["pid"] not in dead}
        left = {"write": write, "read": {path: entries for path, entries in read.items() if entries}}
        (FOLDER / RWLOCK).write_text(json.dumps({k: v for k, v in left.items() if v}), encoding="utf-8")
