"""A real Prefect server that can be killed and started again, and a worker of the scheduled deployment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.faults.stores import answers, free_port
from tests.real.project import Project, clean_environment

TRIES = 10


class PrefectServer:
    """It keeps its port and its database."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}/api"
        self.database = folder / "prefect.db"

    def start(self) -> None:
        """Start it, where it does not run, and wait until it answers."""
        if self._process is not None:
            return
        self._folder.mkdir(exist_ok=True)
        words = ["server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *words],
                env=clean_environment(self._folder),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while not answers(f"{self.url}/health"):
            assert time.monotonic() < deadline, (self._folder / "server.log").read_text(encoding="utf-8")
            time.sleep(0.2)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it with all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(30)
            self._process = None


@contextmanager
def prefect_server(folder: Path) -> Iterator[PrefectServer]:
    """A server that runs, and is gone afterwards."""
    server = PrefectServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill(signal.SIGTERM)


class Worker:
    """The four lines of the README, pool, deployment, worker; it is asked for runs by the server's API."""

    def __init__(self, project: Project, url: str) -> None:
        self._project, self._url = project, url
        self._process: subprocess.Popen[bytes] | None = None
        environment = {"PREFECT_API_URL": url}
        project.run("prefect", "work-pool", "create", "temper", "--type", "process", "--overwrite", **environment)
        deployed = project.run("prefect", "--no-prompt", "deploy", "--all", **environment)
        assert "successfully created" in deployed.stdout, deployed.stdout
        self._deployment = self._ask("GET", "deployments/name/finetune/nightly")["id"]

    def start(self) -> None:
        """Start it, where it does not run."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", "temper"],
                cwd=self._project.root,
                env=self._project.environment | {"PREFECT_API_URL": self._url, "PREFECT_WORKER_QUERY_SECONDS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop it and wait for its end; kill it in time, as a supervisor would where its server was away before."""
        if self._process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(self._process.pid, number)
                    self._process.wait(30)

    def trigger(self) -> str:
        """Have the deployment run now; gives the id of its flow run."""
        return str(self._ask("POST", f"deployments/{self._deployment}/create_flow_run", json={})["id"])

    def state_of(self, flow_run_id: str) -> dict[str, Any]:
        """The state of a flow run."""
        state: dict[str, Any] = self._ask("GET", f"flow_runs/{flow_run_id}")["state"]
        return state

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        for _ in range(TRIES):
            reply = httpx.request(method, f"{self._url}/{path}", timeout=30, **given)
            if reply.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # its database is locked for a moment
                break
            time.sleep(1)
        return reply.raise_for_status().json()


@contextmanager
def worker_of(project: Project, url: str) -> Iterator[Worker]:
    """A worker that runs, and is gone afterwards."""
    worker = Worker(project, url)
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()
