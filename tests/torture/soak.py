"""Thirty scheduled runs with kills at random moments, then one that is left alone; what is true afterwards."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
from mlflow.tracking import MlflowClient

from tests.faults.killing import kill_all, pids_of, what_is_left
from tests.faults.stores import MlflowServer, mlflow_server
from tests.real.project import Project
from tests.real.servers import PrefectServer, Worker, prefect_server, worker_of
from tests.torture.scoreboard import Line
from tests.torture.services import small_project

RUNS, SEED = 30, 44
PATIENCE = 300.0  # seconds for a run to start, and for it to end, on a busy machine
PROCESSES = {"stage": "flows.stage", "dvc": "-m dvc", "flow": "prefect.engine"}
VICTIMS = (*PROCESSES, "mlflow", "prefect", "nobody")
SERVER_LIVES, SERVER_GONE = 12.0, 10.0  # seconds at most: of a run until a server is killed, until it is back


def run(folder: Path) -> Iterator[Line]:
    """The soak, and what it must leave."""
    project = small_project(folder / "project")
    with ExitStack() as stack:
        mlflow = stack.enter_context(mlflow_server(folder / "mlflow"))
        prefect = stack.enter_context(prefect_server(folder / "prefect"))
        project.environment |= {"MLFLOW_TRACKING_URI": mlflow.uri, "PREFECT_API_URL": prefect.url}
        worker = stack.enter_context(worker_of(project, prefect.url))
        soak = _Soak(project, mlflow, prefect, worker)
        yield soak.runs()
        last = soak.one_run("nobody")
        yield from _afterwards(project, MlflowClient(mlflow.uri), prefect.url, last)


class _Soak:
    """A project, its servers and its worker, and one run after the other."""

    def __init__(self, project: Project, mlflow: MlflowServer, prefect: PrefectServer, worker: Worker) -> None:
        self._project, self._mlflow, self._prefect, self._worker = project, mlflow, prefect, worker
        self._generator = random.Random(SEED)

    def runs(self) -> Line:
        """The runs with kills: how many are over when nobody is at work any more, none by its patience."""
        kills, ends = Counter[str](), Counter[str]()
        for number in range(RUNS):
            if number % 3 == 0:
                self._change(number)
            victim = self._generator.choice(VICTIMS)
            kills[victim] += 1
            ends[self.one_run(victim)] += 1
        came = ", ".join(f"{count} {end}" for end, count in ends.most_common())
        what = f"{RUNS} scheduled runs with {RUNS - kills['nobody']} kills ({came})"
        return Line("soak", what, RUNS, RUNS - ends["never over"], "no process of any is left")

    def one_run(self, victim: str) -> str:
        """Have a run begin, kill somebody, wait for its end; gives its state, or that it is "never over"."""
        flow_run = self._worker.trigger()
        _wait(lambda: bool(pids_of(self._project)), PATIENCE)
        self._kill(victim)
        is_over = _wait(lambda: not pids_of(self._project), PATIENCE)
        kill_all(self._project)
        self._worker.start()
        state = self._worker.state_of(flow_run)
        print(f"{victim} killed, {state['name']}: {state['message']}", flush=True)
        return str(state["name"]) if is_over else "never over"

    def _kill(self, victim: str) -> None:
        """At a random moment: a process while it is there, a server in the run's first seconds; it comes back soon."""
        if victim in PROCESSES:
            words, wait = PROCESSES[victim], self._generator.uniform(0, 2)
            _wait(lambda: bool(self._those(words)) or not pids_of(self._project), PATIENCE)
            time.sleep(wait)
            for pid in self._those(words)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif victim != "nobody":
            time.sleep(self._generator.uniform(0, SERVER_LIVES))
            server = self._mlflow if victim == "mlflow" else self._prefect
            server.kill()
            time.sleep(self._generator.uniform(0, SERVER_GONE))
            server.start()

    def _those(self, words: str) -> list[int]:
        found = []
        for pid in pids_of(self._project):
            with suppress(psutil.Error):
                if words in " ".join(psutil.Process(pid).cmdline()):
                    found.append(pid)
        return found

    def _change(self, number: int) -> None:
        """What is stale in the next runs: often little, sometimes the data."""
        kind = self._generator.choice(["card", "card", "evaluate", "train", "data"])
        if kind == "card":
            self._project.set_params({"package.intended_use": f"Run {number}."})
        elif kind == "evaluate":
            self._project.set_params({"evaluate.bootstrap_samples": 100 + number})
        elif kind == "train":
            self._project.set_params({"train.learning_rate": 1e-3 + 1e-5 * number})
        else:
            with (self._project.root / "reviews.csv").open("a", encoding="utf-8") as file:
                file.write(f"What number {number} brought was very good,positive\n")


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (is_so := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_so


def _afterwards(project: Project, client: MlflowClient, url: str, last: str) -> Iterator[Line]:
    mended = project.run("flows.doctor", "--fix")
    versions = list(client.search_model_versions("name = 'reviews'"))
    bundles = [version.tags["temper.bundle_sha256"] for version in versions]
    states = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    open_flows = httpx.post(f"{url}/flow_runs/filter", json={"flow_runs": states}, timeout=30).json()
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    running = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    checks = {
        "one more run completes": last in ("Completed", "Cached"),
        "the doctor mends what is left": mended.returncode == 0,
        "nothing is stale": "up to date" in project.run("dvc", "status").stdout,
        f"one version of each of {len(set(bundles))} bundles": len(bundles) == len(set(bundles)) > 0,
        "the aliases name versions": set(client.get_registered_model("reviews").aliases) >= {"challenger", "champion"},
        "no RUNNING run, no flow without an end": not running and not open_flows,
        "no process, no half-written folder, no waiting record": not what_is_left(project),
    }
    for name, is_true in checks.items():
        yield Line("soak", f"afterwards: {name}", 1, int(is_true), "true")
    if mended.returncode:
        print(mended.stdout[-3000:])
