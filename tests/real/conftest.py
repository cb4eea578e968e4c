"""One finished project for the session, and one Prefect server with a worker, shared by the tests that only look."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.project import Project, clean_environment, make_project

ROWS = 60
signal.signal(signal.SIGINT, signal.default_int_handler)  # else what a shell began in the background ignores Ctrl-C


def wait_until(condition: Callable[[], object], seconds: float = 60, every: float = 0.2) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Project:
    """A project on which the whole pipeline has run once by `dvc repro`, with no server anywhere."""
    project = make_project(tmp_path_factory.mktemp("real") / "project", tiny_base, ROWS)
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    (project.root.parent / "repro.log").write_text(done.stdout, encoding="utf-8")
    return project


@pytest.fixture
def fresh_project(tmp_path: Path, tiny_base: Path) -> Project:
    """A project of its own on which nothing has run."""
    return make_project(tmp_path / "project", tiny_base, ROWS)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API of a real Prefect server."""
    folder = tmp_path_factory.mktemp("prefect")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    with (folder / "server.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=clean_environment(folder),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(f"{url}/health"), 90)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
