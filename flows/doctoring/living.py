"""The processes that work in this clone now: what they hold is not touched."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from stages.shared.workspace import clone_root

OURS = ("flows.finetune", "flows.stage", "flows.search", "prefect.engine", "prefect.flow_engine")


def is_dvc(process: psutil.Process) -> bool:
    """Whether it is a `dvc` command."""
    with suppress(psutil.Error):
        return "dvc" in [Path(word).name for word in process.cmdline()[:3]]
    return False


def at_work() -> Iterator[psutil.Process]:
    """The other processes of `dvc`, of stages and of flows whose working folder lies in this clone."""
    root = clone_root()
    own = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = " ".join(process.cmdline()[:5])
            ours = is_dvc(process) or any(word in words for word in OURS)
            if process.pid not in own and ours and Path(process.cwd()).is_relative_to(root):
                yield process


def names_of(processes: list[psutil.Process]) -> str:
    """As "pid 12, pid 14"."""
    return ", ".join(f"pid {process.pid}" for process in processes)
