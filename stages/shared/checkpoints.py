"""Where a stage keeps the checkpoints of its trainings, and which of them may be used.

They lie in `.temper/checkpoints/<stage>/<identity>/<number>`: the identity is a digest of the parameters, inputs and
code that decide on the result, the number that of the training within the stage. They are there until the stage's
output is published. A start with another identity begins anew and says what is other.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, reduce
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from serving.written import MANIFEST, sha256_of
from stages.shared.disk import remove_folder
from stages.shared.errors import DataError, MachineError, Refused, TrainingFailed
from stages.shared.publish import check_manifest, published, write_json
from stages.shared.resources import cpu_flags
from stages.shared.workspace import read_state, state_folder

if TYPE_CHECKING:
    from stages.shared.params import Params
    from stages.shared.pipeline import Stage

log = logging.getLogger(__name__)
KEPT = 2  # checkpoints of a training
SECONDS = "TEMPER_CHECKPOINT_SECONDS"  # in the environment: at least so many between two; 0: one for each update
USUAL_SECONDS = 60.0
WORTH = 50  # times as long as a checkpoint takes, a training goes on at least before the next: it costs 2 % at most
NAMES = "[0-9]*"  # of checkpoints, by a pattern
IDENTITY, LOCK = "identity.json", "lock"
DECISIVE = ("parameters", "inputs", "code")  # of an identity: they must be the same for a training to go on


def _digest_of(path: Path) -> str:
    """Of what a file or folder holds; of what a stage wrote, its manifest's, which was checked."""
    if path.is_file():
        return sha256_of(path)
    if (path / MANIFEST).is_file():
        return sha256_of(path / MANIFEST)
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return _digest([[file.relative_to(path).as_posix(), sha256_of(file)] for file in files])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def identity_of(stage: Stage, inputs: Sequence[Path], params: Params) -> dict[str, dict[str, Any]]:
    """What decides on the result of a stage: {"parameters", "inputs", "code", "machine"}, each by name.

    Parameters, inputs and code must be the same for a training to go on; the machine may differ, at the price of the
    last bits.
    """
    values = params.model_dump(mode="json", by_alias=True)
    read = {str(path) for path in inputs}
    code = [Path(path) for path in stage.dependencies if path not in read]
    return {
        "parameters": {key: reduce(lambda part, name: part[name], key.split("."), values) for key in stage.params},
        "inputs": {str(path): _digest_of(path) for path in inputs},
        "code": {str(path): _digest_of(path) for path in code if path.exists()},
        "machine": {"CPU": cpu_flags(), "Python": platform.python_version(), "torch": version("torch")},
    }


def _flat(values: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    return {name: one for key, value in values.items() for name, one in _flat(value, f"{prefix}.{key}").items()}


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What is other in two identities, in words; of parameters both values."""
    found = []
    for kind in DECISIVE:
        before, after = ({} | _flat(one.get(kind, {}), "") for one in (old, new))
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                values = f" {before.get(name)}, now {after.get(name)}" if kind == "parameters" else ""
                found.append(f"{name.removeprefix('.')}{values}")
    return found


class Checkpoints:
    """Those of one training, the newest last.

    Args:
        folder: for them alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*"):  # of a write that was broken off
            remove_folder(left)
        self._wanted = float(os.environ.get(SECONDS, USUAL_SECONDS))
        self._cost, self._written = 0.0, time.monotonic()

    def _names(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.name.isdigit())

    def newest(self) -> Path | None:
        """The newest that is whole; a newer one that is damaged is set aside. None where there is none at all.

        Raises:
            MachineError: there are some, and all are damaged.
        """
        bad: list[tuple[Path, DataError]] = []
        for path in reversed(self._names()):
            try:
                check_manifest(path)
            except DataError as error:
                bad.append((path, error))
                continue
            for damaged, why in bad:
                damaged.rename(damaged.with_name(f"{damaged.name}.damaged"))
                log.warning("a checkpoint is damaged and set aside, the one before is used: %s", _first_line(why))
            return path
        if bad:
            raise MachineError(
                f"{self.folder}: every checkpoint of the training that was broken off is damaged: "
                f"{'; '.join(_first_line(why) for _, why in bad)}. Delete the folder to begin anew, and look for what "
                f"damages the disk."
            )
        return None

    def is_due(self) -> bool:
        """Whether the last one is long enough ago."""
        enough = self._wanted and max(self._wanted, WORTH * self._cost)
        return time.monotonic() - self._written >= enough

    def has_written(self) -> bool:
        """Whether there is one."""
        return bool(self._names())

    def write(self, fill: Callable[[Path], None]) -> None:
        """Write the next one, whole or not at all, and remove those that are not needed any more."""
        started, names = time.monotonic(), self._names()
        number = int(names[-1].name) + 1 if names else 1
        with published(self.folder / f"{number:06d}") as staging:
            fill(staging)
        for old in self._names()[:-KEPT]:
            remove_folder(old)
        self._written = time.monotonic()
        self._cost = self._written - started


def _first_line(error: Exception) -> str:
    return " ".join(str(error).splitlines()[:2])


class Keeper:
    """The checkpoints of a stage that runs; nothing is on disk before its first training begins."""

    def __init__(self, stage: Stage, inputs: Sequence[Path], params: Params) -> None:
        self._stage, self._inputs, self._params = stage, inputs, params
        self._lock: FileLock | None = None
        self._next = 1
        self._ready: set[Path] = set()

    @cached_property
    def _folder(self) -> Path:
        """Of this stage and identity, and of this process alone: two experiments may train the same at once."""
        identity = identity_of(self._stage, self._inputs, self._params)
        decisive = _digest({kind: identity[kind] for kind in DECISIVE})[:16]
        above = state_folder("checkpoints") / self._stage.name
        above.mkdir(exist_ok=True)
        names = (f"{decisive}-{number}" for number in itertools.count(1))
        begun = sorted(path for path in above.glob(f"{decisive}-*") if _holds_checkpoints(path))
        for folder in itertools.chain(begun, (above / name for name in names)):
            folder.mkdir(exist_ok=True)
            self._lock = _locked(folder)
            if self._lock is not None:
                _compare(folder, identity, self._stage.name)
                return folder
        raise AssertionError("names do not end")

    def next_folder(self) -> Path:
        """Where the training that begins next has its checkpoints."""
        folder = self._folder / str(self._next)
        if folder not in self._ready:
            if not any(folder.glob(NAMES)):
                remove_folder(folder)  # of a run that wrote no checkpoint
            folder.mkdir(exist_ok=True)
            self._ready.add(folder)
        return folder

    def open(self) -> Checkpoints:
        """Those of the training that begins."""
        checkpoints = Checkpoints(self.next_folder())
        self._next += 1
        return checkpoints

    def close(self, is_needed: bool) -> None:
        """Let go of them; those that are not needed any more are removed."""
        if self._lock is not None:
            if not is_needed:
                remove_folder(self._folder)
            self._lock.release()


_keeper: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


def current_keeper() -> Keeper | None:
    """That of the stage that runs; None outside one, where nothing is kept."""
    return _keeper.get()


@contextmanager
def keeping(stage: Stage, inputs: Sequence[Path], params: Params) -> Iterator[None]:
    """Keep checkpoints while a stage runs, and after it was broken off; not after it has come to its own end."""
    keeper, is_broken_off = Keeper(stage, inputs, params), True
    token = _keeper.set(keeper)
    try:
        yield
        is_broken_off = False
    except (Refused, TrainingFailed):
        is_broken_off = False
        raise
    finally:
        _keeper.reset(token)
        keeper.close(is_needed=is_broken_off)


def _compare(folder: Path, identity: dict[str, Any], stage: str) -> None:
    """Say what is other than when a training was broken off; of those of other identities the newest is left."""
    known = folder / IDENTITY
    if known.is_file():
        before = read_state(known).get("machine", {})
        now = identity["machine"]
        other = [f"{name} {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]
        if other:
            log.warning("%s: goes on on another machine (%s): the last bits may differ", stage, "; ".join(other))
        return
    write_json(known, identity)
    broken_off = sorted(_broken_off(folder.parent, folder), key=lambda path: path.stat().st_mtime)
    for old in broken_off[:-1]:
        remove_folder(old)
    if broken_off:
        found = differences(read_state(broken_off[-1] / IDENTITY), identity)
        log.warning("%s: begins anew: since it was broken off there have changed: %s", stage, "; ".join(found))


def _broken_off(above: Path, own: Path) -> Iterator[Path]:
    """The folders of trainings with other identities that no process is at."""
    for other in above.iterdir():
        if other != own and (other / IDENTITY).is_file() and _holds_checkpoints(other):
            lock = _locked(other)
            if lock is not None:
                lock.release()
                yield other


def _holds_checkpoints(folder: Path) -> bool:
    return any(folder.glob(f"*/{NAMES}"))  # also where each is damaged


def _locked(folder: Path) -> FileLock | None:
    """The lock of a folder, held; None where another process holds it."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock
