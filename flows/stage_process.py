"""Run one stage through DVC in a process group of its own, and leave nothing of it behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from stages.shared.session import FLOW_PROCESS, SESSION, process_key

SECONDS_TO_TIDY_UP = 20.0


class TimeLimit(Exception):
    """A stage ran longer than it may."""


def child_environment(session: str, flow_run: str) -> dict[str, str]:
    """The environment of a stage: ours, without Prefect's runner's own variables, and with this run's identity."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    own = {SESSION: session, FLOW_PROCESS: process_key(psutil.Process()), "TEMPER_FLOW_RUN": flow_run}
    return kept | own | {"PATH": path}


def kill_group(process: subprocess.Popen[str]) -> None:
    """Ask the process group to stop; kill what is left of it after a while."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + SECONDS_TO_TIDY_UP
    while time.monotonic() < deadline and _group_lives(process):
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(process: subprocess.Popen[str]) -> bool:
    process.poll()  # reaps it
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def pass_on(process: subprocess.Popen[str], say: Callable[[str], None]) -> None:
    """Call `say` with each line that a process writes, as it comes, until it has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            say(line.rstrip())


def run_stage_process(
    stage: str,
    environment: dict[str, str],
    say: Callable[[str], None],
    seconds: float | None,
) -> int:
    """Run `dvc repro --single-item <stage>`; give its exit code.

    Args:
        stage: the stage's name in dvc.yaml.
        environment: of child_environment.
        say: is called with each line that the stage writes, as it comes.
        seconds: the longest that it may take, None for no limit.

    Raises:
        TimeLimit: it took longer. Whatever ends this call early, no process of the stage is left.
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    reader = threading.Thread(target=pass_on, args=(process, say), daemon=True)
    reader.start()
    try:
        code = process.wait(seconds)
        reader.join(5)
        return code
    except subprocess.TimeoutExpired:
        raise TimeLimit(f"{stage}: took longer than {seconds:g} s and was stopped") from None
    finally:
        if process.poll() is None or _group_lives(process):
            kill_group(process)
