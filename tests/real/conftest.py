"""One finished project for the session, and one Prefect server with a worker, shared by the tests that only look."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.project import Project, make_project
from tests.real.servers import PrefectServer
from tests.real.servers import prefect_server as running_server

ROWS = 60
signal.signal(signal.SIGINT, signal.default_int_handler)  # else what a shell began in the background ignores Ctrl-C


def wait_until(condition: Callable[[], object], seconds: float = 60, every: float = 0.2) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Project:
    """A project on which the whole pipeline has run once by `dvc repro`, with no server anywhere."""
    project = make_project(tmp_path_factory.mktemp("real") / "project", tiny_base, ROWS)
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    (project.root.parent / "repro.log").write_text(done.stdout, encoding="utf-8")
    return project


@pytest.fixture
def up_to_date(project: Project) -> Project:
    """The same, whatever tests before have left of it."""
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def fresh_project(tmp_path: Path, tiny_base: Path) -> Project:
    """A project of its own on which nothing has run."""
    return make_project(tmp_path / "project", tiny_base, ROWS)


@pytest.fixture(scope="session")
def prefect_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server. It may be killed, and must run again afterwards."""
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="session")
def prefect_server(prefect_process: PrefectServer) -> str:
    """The address of its API."""
    return prefect_process.url
