"""One finished project, and one Prefect server with a worker, shared by the tests that only look."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.project import FINISHED, Project, copy_project, finished_project
from tests.real.servers import PrefectServer
from tests.real.servers import prefect_server as running_server

signal.signal(signal.SIGINT, signal.default_int_handler)  # else what a shell began in the background ignores Ctrl-C


def wait_until(condition: Callable[[], object], seconds: float = 60, every: float = 0.2) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Project:
    """A project on which the whole pipeline has run once by `dvc repro`, with no server anywhere.

    Where several processes share the tests one of them runs it, and each has a copy of its own.
    """
    own, base = tmp_path_factory.mktemp("real"), tmp_path_factory.getbasetemp()
    of_all = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    finished = finished_project(Path(os.environ.get(FINISHED, of_all / "finished")), tiny_base)
    shutil.copy(finished.root.parent / "repro.log", own)
    return copy_project(finished, own / "project")


@pytest.fixture
def up_to_date(project: Project) -> Project:
    """The same, whatever tests before have left of it."""
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="session")
def prefect_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server. It may be killed, and must run again afterwards."""
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="session")
def prefect_server(prefect_process: PrefectServer) -> str:
    """The address of its API."""
    return prefect_process.url
