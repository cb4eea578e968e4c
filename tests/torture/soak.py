"""Thirty runs of the pipeline with kills at random moments, then one that is left alone; what is true afterwards."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
from mlflow.tracking import MlflowClient

from tests.faults.killing import pids_of, what_is_left
from tests.faults.stores import MlflowServer, mlflow_server
from tests.real.project import Project
from tests.real.servers import PrefectServer, prefect_server
from tests.torture.scoreboard import Line
from tests.torture.services import small_project

RUNS, SEED = 30, 44
LONGEST = 11.0  # seconds of a run until it is told to stop
VICTIMS = ("stage", "dvc", "flow", "mlflow", "prefect", "nobody")


def run(folder: Path) -> Iterator[Line]:
    """The soak, and what it must leave."""
    generator = random.Random(SEED)
    project = small_project(folder / "project")
    with ExitStack() as stack:
        mlflow = stack.enter_context(mlflow_server(folder / "mlflow"))
        prefect = stack.enter_context(prefect_server(folder / "prefect"))
        project.environment |= {"MLFLOW_TRACKING_URI": mlflow.uri, "PREFECT_API_URL": prefect.url}
        killed, ended = 0, 0
        for number in range(RUNS):
            if number % 3 == 0:
                _change(project, generator, number)
            victim = generator.choice(VICTIMS)
            killed += victim != "nobody"
            ended += _one_run(project, victim, generator, mlflow, prefect)
        yield Line("soak", f"{RUNS} runs, {killed} kills: a run without a process afterwards", RUNS, ended, "each")
        last = project.run("flows.finetune")
        mended = project.run("flows.doctor", "--fix")
        yield from _afterwards(project, MlflowClient(mlflow.uri), prefect.url, last, mended)


def _change(project: Project, generator: random.Random, number: int) -> None:
    """What is stale in the next runs: often little, sometimes the data."""
    kind = generator.choice(["card", "card", "evaluate", "train", "data"])
    if kind == "card":
        project.set_params({"package.intended_use": f"Run {number}."})
    elif kind == "evaluate":
        project.set_params({"evaluate.bootstrap_samples": 100 + number})
    elif kind == "train":
        project.set_params({"train.learning_rate": 1e-3 + 1e-5 * number})
    else:
        with (project.root / "reviews.csv").open("a", encoding="utf-8") as file:
            file.write(f"What number {number} brought was very good,positive\n")


def _one_run(
    project: Project, victim: str, generator: random.Random, mlflow: MlflowServer, prefect: PrefectServer
) -> bool:
    """Start a run, kill somebody, let it go on a while, stop it; whether no process of it is left soon afterwards."""
    by_dvc = victim not in ("flow", "prefect") and generator.random() < 0.5  # it comes to the late stages sooner
    process = project.start(*(("dvc", "repro") if by_dvc else ("flows.finetune",)))
    started = time.monotonic()
    _wait(process, generator.uniform(1, LONGEST - 2))
    if victim in ("mlflow", "prefect"):
        (mlflow if victim == "mlflow" else prefect).kill()
    elif victim != "nobody":
        _kill_one(project, victim, process)
    _wait(process, LONGEST - (time.monotonic() - started))
    if process.poll() is None:
        os.kill(process.pid, signal.SIGTERM)
        _wait(process, 40)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait(10)
    deadline = time.monotonic() + 30
    while pids_of(project) and time.monotonic() < deadline:
        time.sleep(0.2)
    for server in (mlflow, prefect):
        server.start()
    return not pids_of(project)


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(seconds, 0))


def _kill_one(project: Project, victim: str, flow: subprocess.Popen[str]) -> None:
    words = {"stage": "flows.stage", "dvc": "-m dvc"}.get(victim)
    for pid in pids_of(project):
        with suppress(psutil.Error):
            is_it = pid == flow.pid if words is None else words in " ".join(psutil.Process(pid).cmdline())
            if is_it:
                os.kill(pid, signal.SIGKILL)
                return


def _afterwards(
    project: Project,
    client: MlflowClient,
    url: str,
    last: subprocess.CompletedProcess[str],
    mended: subprocess.CompletedProcess[str],
) -> Iterator[Line]:
    versions = list(client.search_model_versions("name = 'reviews'"))
    bundles = [version.tags["temper.bundle_sha256"] for version in versions]
    states = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    open_flows = httpx.post(f"{url}/flow_runs/filter", json={"flow_runs": states}, timeout=30).json()
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    running = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    checks = {
        "one more run completes": last.returncode == 0,
        "the doctor mends what is left": mended.returncode == 0,
        "nothing is stale": "up to date" in project.run("dvc", "status").stdout,
        f"one version of each of {len(set(bundles))} bundles": len(bundles) == len(set(bundles)) > 0,
        "the aliases name versions": set(client.get_registered_model("reviews").aliases) >= {"challenger", "champion"},
        "no RUNNING run, no flow without an end": not running and not open_flows,
        "no process, no half-written folder, no waiting record": not what_is_left(project),
    }
    for name, is_true in checks.items():
        yield Line("soak", f"afterwards: {name}", 1, int(is_true), "true")
    if last.returncode:
        print(last.stdout[-3000:])
    if mended.returncode:
        print(mended.stdout[-3000:])
