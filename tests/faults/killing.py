"""A stage of a real `dvc repro`, stopped or killed with all of its processes while it is at work."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.real.project import Project


def pids_of(project: Project) -> list[int]:
    """The flows, stages and `dvc` processes that run in the project."""
    found, names = [], ("flows.", "dvc", "prefect.engine")
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if process.cwd() == str(project.root) and any(name in words for name in names):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def kill_all(project: Project) -> None:
    """kill -9 every process of the project, until none is left."""
    while pids := pids_of(project):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def begin_stage(project: Project, name: str) -> subprocess.Popen[str]:
    """Start a `dvc repro` of a stage that need not run again, and wait until the stage writes its output."""
    process = project.start("dvc", "repro", "--force", "--single-item", name)
    deadline = time.monotonic() + 90
    while not (project.root / f"data/.{name}.partial").is_dir():
        log = (project.root / "output.log").read_text(encoding="utf-8")
        assert process.poll() is None and time.monotonic() < deadline, log
        time.sleep(0.005)
    return process


def kill_in_stage(project: Project, name: str, generator: random.Random, longest: float) -> None:
    """Kill everything at a random moment after a stage has begun to write."""
    process = begin_stage(project, name)
    time.sleep(generator.uniform(0, longest))
    kill_all(project)
    process.wait(10)


@contextmanager
def held_in_stage(project: Project, name: str) -> Iterator[subprocess.Popen[str]]:
    """A stage that is alive and does not move; killed afterwards."""
    process = begin_stage(project, name)
    try:
        os.killpg(process.pid, signal.SIGSTOP)
        yield process
    finally:
        kill_all(project)
        process.wait(10)


def cut_rwlock(project: Project) -> None:
    """Cut the file in which DVC says what is in use, as a kill while it is written does."""
    (project.root / ".dvc/tmp/rwlock").write_text('{"write": {"', encoding="utf-8")


def what_is_left(project: Project) -> list[str]:
    """What a run must not leave behind: processes, half-written folders, waiting records, runs that say RUNNING."""
    left = [f"process {pid}" for pid in pids_of(project)]
    left += [path.name for path in (project.root / "data").glob(".*")]
    left += [path.name for name in ("spool", "scratch") for path in (project.root / ".temper" / name).glob("*")]
    return left + [f"run {run.info.run_name}" for run in project.runs() if run.info.status == "RUNNING"]
