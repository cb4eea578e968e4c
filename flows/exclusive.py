"""One at a time: a pipeline run in a folder, and a run of a stage."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from stages.shared.errors import MachineError
from stages.shared.workspace import state_folder

SECONDS_BETWEEN_TRIES = 0.2
PIPELINE = "the pipeline"


class Taken(MachineError):
    """Another process does it now."""


def _is_free(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(what: str, seconds: float) -> Iterator[None]:
    """While no other process does the same in this folder. The lock ends with its process, however that ends.

    Args:
        what: of this folder, as "the stage train".
        seconds: to wait for the other to end, as one does whose `dvc` was killed.

    Raises:
        Taken: another process does it still; its pid, and since when, is said.
    """
    here = hashlib.sha256(f"{Path.cwd().resolve()} {what}".encode()).hexdigest()[:16]
    with (state_folder("locks") / f"{here}.lock").open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + seconds
        while not _is_free(file):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise Taken(
                    f"{what} of {Path.cwd()} is locked by {file.read().strip()}. Wait until it ends, or stop it."
                )
            time.sleep(SECONDS_BETWEEN_TRIES)
        file.truncate(0)
        file.write(f"pid {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield


def require_free(what: str) -> None:
    """Raise Taken when another process does it now."""
    with alone(what, seconds=0):
        pass
