"""The pipeline as Prefect flows, against a real server: states, a triggered deployment, cancel."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stages.shared.pipeline import read_stages
from tests.faults.killing import pids_of
from tests.real.conftest import wait_until
from tests.real.project import Project
from tests.real.servers import Worker, worker_of
from tests.real.test_signals import stage_is_training

pytestmark = pytest.mark.real
NAMES = [stage.name for stage in read_stages()]


def flow_runs(url: str) -> list[dict[str, Any]]:
    """The newest flow runs of a server, newest first."""
    reply = httpx.post(f"{url}/flow_runs/filter", json={"limit": 50, "sort": "START_TIME_DESC"}, timeout=30)
    return list(reply.raise_for_status().json())


def run_that_was_killed(project: Project, url: str) -> str:
    """Leave what a flow that is killed with its machine leaves: a run that says RUNNING; gives its id."""
    named = httpx.post(f"{url}/flows/", json={"name": "finetune"}, timeout=30).raise_for_status().json()
    asked = {"flow_id": named["id"], "state": {"type": "RUNNING"}}
    run = str(httpx.post(f"{url}/flow_runs/", json=asked, timeout=30).raise_for_status().json()["id"])
    note = project.root / ".temper/receipts" / run / "flow.json"
    note.parent.mkdir()
    note.write_text(json.dumps({"host": socket.gethostname(), "process": "999999999@1.00"}), encoding="utf-8")
    return run


def test_a_gate_that_refuses_skips_what_comes_after_and_a_killed_run_is_closed(
    up_to_date: Project, prefect_server: str
) -> None:
    project, killed = up_to_date, run_that_was_killed(up_to_date, prefect_server)
    project.set_params({"validate.min_rows_per_class": 1000})
    done = project.run("flows.finetune", PREFECT_API_URL=prefect_server)
    project.set_params({"validate.min_rows_per_class": 1})
    assert done.returncode == 5, done.stdout
    states = {run["name"]: run["state"]["name"] for run in flow_runs(prefect_server)[: len(NAMES) + 1]}
    assert httpx.get(f"{prefect_server}/flow_runs/{killed}", timeout=30).json()["state"]["type"] == "CRASHED"
    assert states["ingest"] == "Cached"
    assert states["validate"] == "Failed"
    assert {states[name] for name in ("augment", "train", "package")} == {"Skipped"}
    assert (project.root / "data/validate.refused/report.html").is_file()
    parent = project.parents()[0]
    assert parent.info.status == "FAILED"
    assert parent.data.tags["temper.stage.validate"] == "failed"


def test_a_stage_by_itself_is_a_flow_run_when_an_api_is_configured(up_to_date: Project, prefect_server: str) -> None:
    done = up_to_date.run("dvc", "repro", "--force", "--single-item", "pretrain", PREFECT_API_URL=prefect_server)
    assert done.returncode == 0, done.stdout
    newest = flow_runs(prefect_server)[0]
    assert newest["state"]["name"] == "Completed"
    assert "SHA-256" in newest["state"]["message"]


def test_a_server_that_is_away_is_one_clear_error(project: Project) -> None:
    done = project.run("flows.finetune", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 4
    assert "no Prefect server answers at http://127.0.0.1:9/api" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.fixture
def worker(project: Project, prefect_server: str) -> Iterator[Worker]:
    """A worker of the project's deployment."""
    with worker_of(project, prefect_server) as worker:
        yield worker


def test_a_triggered_run_of_the_deployment(project: Project, prefect_server: str, worker: Worker) -> None:
    assert project.run("dvc", "repro").returncode == 0
    runs = len(project.runs())
    nightly = worker.trigger()
    wait_until(lambda: worker.state_of(nightly)["type"] == "COMPLETED", 120)
    assert worker.state_of(nightly)["name"] == "Cached"
    newest = {run["name"]: run["state"]["name"] for run in reversed(flow_runs(prefect_server)[: len(NAMES) + 1])}
    assert {name: newest[name] for name in NAMES} == dict.fromkeys(NAMES, "Cached")
    assert len(project.runs()) == runs

    project.set_params({"train.epochs": 5000, "train.patience": 5000})
    nightly = worker.trigger()
    wait_until(lambda: stage_is_training(project), 120)
    second = worker.trigger()
    wait_until(lambda: worker.state_of(second)["type"] == "CANCELLED", 120)
    assert "is locked by pid" in worker.state_of(second)["message"]
    project.run("prefect", "flow-run", "cancel", nightly, PREFECT_API_URL=prefect_server)
    wait_until(lambda: not pids_of(project), 60)
    wait_until(lambda: worker.state_of(nightly)["type"] == "CANCELLED", 60)
    assert not [run for run in project.runs() if run.info.status == "RUNNING"]
    project.set_params({"train.epochs": 1, "train.patience": 3})
