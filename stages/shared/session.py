"""Which pipeline run a stage belongs to, and whether the processes above it are still alive."""

import hashlib
import os
import socket
from pathlib import Path

import psutil

SESSION = "TEMPER_SESSION"  # set by the pipeline flow
FLOW_PROCESS = "TEMPER_FLOW_PROCESS"  # its process, as process_key gives it
RECORDER = "TEMPER_RECORDER"  # the address of its recorder server


def process_key(process: psutil.Process) -> str:
    """A process on this host, told from a later one with the same number by its start time."""
    return f"{process.pid}@{process.create_time():.2f}"


def is_alive(key: str) -> bool:
    """Whether the process of a process_key still runs."""
    pid, _, started = key.partition("@")
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" == started and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def dvc_ancestor() -> psutil.Process | None:
    """The `dvc` process that runs this stage, if one does: the outermost."""
    found = None
    for process in psutil.Process().parents():
        try:
            names = [Path(word).name for word in process.cmdline()[:3]]
        except psutil.Error:
            continue
        if "dvc" in names:
            found = process
    return found


def session_id() -> str:
    """The identity of the pipeline run: the flow's, else that of the `dvc` process above, else of this process."""
    if SESSION in os.environ:
        return os.environ[SESSION]
    process = dvc_ancestor() or psutil.Process()
    identity = f"{socket.gethostname()} {process_key(process)} {Path.cwd()}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def processes_above() -> list[str]:
    """The processes without which a stage must not go on: the `dvc` that runs it, and the pipeline flow."""
    keys = [os.environ[FLOW_PROCESS]] if FLOW_PROCESS in os.environ else []
    process = dvc_ancestor()
    return keys + ([process_key(process)] if process else [])
