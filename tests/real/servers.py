"""A real Prefect server that can be killed and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.stores import answers, free_port
from tests.real.project import clean_environment


class PrefectServer:
    """It keeps its port and its database."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}/api"

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
