"""A real MLflow server that can be killed, and bundles registered by several processes at once."""

import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from serving.written import MANIFEST, sha256_of
from stages.shared.publish import write_json, write_manifest
from tests.conftest import ROOT


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a server answers there that all is well."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def plain_environment(**more: str) -> dict[str, str]:
    """Ours without what points at somebody's MLflow, and with this code to import."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("MLFLOW_TRACKING", "TEMPER_", "DVC_"))}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


@functools.cache
def _made_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{database}").search_experiments()
        return database.read_bytes()


def make_store(database: Path) -> None:
    """An MLflow database without a run, where none is; MLflow itself takes seconds to make one."""
    database.parent.mkdir(exist_ok=True)
    if not database.exists():
        database.write_bytes(_made_store())


class MlflowServer:
    """A real MLflow server on a database of its own; it keeps its port when it is started again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, where it does not run, and wait until it answers."""
        if self._process is not None:
            return
        make_store(self._folder / "server.db")
        words = ["server", "--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}", "--workers", "1"]
        words += ["--artifacts-destination", str(self._folder / "files"), "--port", str(self._port)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *words],
                env=plain_environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while not answers(f"{self.uri}/health"):
            assert time.monotonic() < deadline, (self._folder / "server.log").read_text(encoding="utf-8")
            time.sleep(0.2)

    def kill(self) -> None:
        """kill -9 it with all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    """A server that runs, and is gone afterwards."""
    server = MlflowServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def write_bundle(out: Path, name: str, content: str = "weights", figure: float = 0.8, test: str = "t1") -> None:
    """What the stage `package` leaves, as far as the registry looks at it."""
    (out / "bundle").mkdir(parents=True)
    (out / "bundle/model.onnx").write_text(content, encoding="utf-8")
    write_manifest(out / "bundle")
    facts: dict[str, Any] = {"name": name, "primary": "macro_f1", "value": figure, "test_sha256": test}
    write_json(out / "registration.json", facts | {"bundle_sha256": sha256_of(out / "bundle" / MANIFEST)})


REGISTER = """
import os, sys, time
from pathlib import Path
import flows, psutil
from stages.shared.lineage import Origin
from stages.shared.outcome import Outcome
from stages.shared.session import process_key
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import open_stage_run

out, count, *clones = sys.argv[1:]
begin = time.time() + 0.3
for number in range(int(count)):
    if os.fork() == 0:
        os.chdir(clones[number % len(clones)])
        time.sleep(begin - time.time())
        try:
            tags = {"temper.host": "here", "temper.process": process_key(psutil.Process())}
            run = open_stage_run(Origin(f"session {number}", "package", {}, tags, {}))
            register_bundle(run, Path(out), Outcome("made", {}))
            code = 0
        except BaseException as error:
            print(repr(error), flush=True)
            code = 1
        os._exit(code)
sys.exit(max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(int(count))))
"""


def register_at_once(out: Path, count: int, clones: Sequence[Path], uri: str | None) -> str:
    """Register one bundle by several processes of several clones at the same moment; give what went wrong."""
    for clone in clones:
        clone.mkdir(exist_ok=True)
    words = [sys.executable, "-c", REGISTER, str(out), str(count), *map(str, clones)]
    environment = plain_environment(**({"MLFLOW_TRACKING_URI": uri} if uri else {}))
    done = subprocess.run(words, env=environment, cwd=clones[0], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr[-2000:]


KILLED = """
import os, signal, sys
from pathlib import Path
import flows, psutil
from mlflow.tracking import MlflowClient
from stages.shared.lineage import Origin
from stages.shared.outcome import Outcome
from stages.shared.session import process_key
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import open_stage_run

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

tags = {"temper.host": "here", "temper.process": process_key(psutil.Process())}
run = open_stage_run(Origin("killed", "package", {}, tags, {}))
original, calls = getattr(MlflowClient, sys.argv[2]), []
def killed(*given, **named):
    calls.append(1)
    return kill() if len(calls) == int(sys.argv[3]) else original(*given, **named)
setattr(MlflowClient, sys.argv[2], killed)
register_bundle(run, Path(sys.argv[1]), Outcome("made", {}))
"""
BEFORE = [("create_model_version", 1), ("set_registered_model_alias", 1), ("set_registered_model_alias", 2)]


def register_and_be_killed(out: Path, clone: Path, call: str, count: int) -> int:
    """Register a bundle by a process that is killed before its `count`-th such call of MLflow; give how it ended."""
    words = [sys.executable, "-c", KILLED, str(out), call, str(count)]
    return subprocess.run(words, cwd=clone, env=plain_environment(), check=False).returncode


def registered(client: MlflowClient, name: str) -> tuple[list[int], dict[str, int]]:
    """The numbers of the versions of a model, and what its aliases name."""
    versions = sorted(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))
    aliases = client.get_registered_model(name).aliases
    return versions, {alias: int(number) for alias, number in aliases.items()}
