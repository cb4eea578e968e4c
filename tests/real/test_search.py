"""A search in a real project: killed, begun again, ended by Ctrl-C, and its best as a DVC experiment."""

import os
import re
import signal
import subprocess
from collections import Counter

import optuna
import pytest
from ruamel.yaml import YAML

from tests.real.conftest import wait_until
from tests.real.project import Project

pytestmark = pytest.mark.real
SEARCH = {
    "name": "rate",
    "trials": 2,
    "at_once": 1,
    "prune": True,
    "space": {"train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
}


@pytest.fixture
def searching(project: Project, request: pytest.FixtureRequest) -> Project:
    """A project in which all is cached that comes before training, with a search of the test's own."""
    project.set_params({"search": SEARCH | {"name": request.param}, "train.epochs": 1})
    subprocess.run(["git", "commit", "-qam", "search"], cwd=project.root, check=True)
    return project


def said(project: Project) -> str:
    return (project.root / "output.log").read_text(encoding="utf-8")


def processes_in(project: Project) -> list[str]:
    found = subprocess.run(["pgrep", "-af", "flows.stage|dvc"], capture_output=True, text=True, check=False).stdout
    return [line for line in found.splitlines() if str(project.root) in line]


def experiments(project: Project) -> list[str]:
    names = project.run("dvc", "exp", "list", "--name-only").stdout.split()
    return sorted(name for name in names if name.startswith("rate-"))


@pytest.mark.slow
@pytest.mark.parametrize("searching", ["rate"], indirect=True)
def test_a_killed_search_goes_on_and_runs_no_trial_twice(searching: Project, prefect_server: str) -> None:
    began = searching.start("flows.search", PREFECT_API_URL=prefect_server)
    wait_until(lambda: "trial 0 (1 of 2" in said(searching), 180)
    wait_until(lambda: any((searching.root / ".dvc/tmp/exps/standalone").glob("tmp*/data/ingest")), 60, every=0.05)
    os.killpg(began.pid, signal.SIGKILL)
    began.wait()
    wait_until(lambda: not processes_in(searching), 60)
    done = searching.run("flows.search", PREFECT_API_URL=prefect_server)
    assert done.returncode == 0, done.stdout
    assert re.findall(r"trial (\d) \(", done.stdout) == ["1"]
    found = experiments(searching)
    assert [name for name in found if "best" not in name] == ["rate-000", "rate-001"]
    assert not list((searching.root / ".dvc/tmp/exps/standalone").glob("tmp*"))
    study = optuna.load_study(study_name="rate", storage=f"sqlite:///{searching.root}/.temper/searches/rate.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
    assert len({str(trial.params) for trial in study.trials}) == 2
    (top,) = [run for run in searching.parents() if run.data.tags.get("temper.study") == "rate"]
    trials = [run for run in searching.runs() if run.data.tags.get("mlflow.parentRunId") == top.info.run_id]
    assert {run.info.status for run in [top, *trials]} == {"FINISHED"}
    assert Counter(run.info.run_name for run in trials) == Counter(found)
    assert all("trial.validation.macro_f1" in run.data.metrics for run in trials if "best" not in run.info.run_name)
    rates = {run.data.params["train.learning_rate"] for run in trials}
    assert len(rates) == 2
    assert top.data.metrics["best"] == max(run.data.metrics["train.validation.macro_f1"] for run in trials)
    best = re.search(r"dvc exp apply (rate-best-\d+)", done.stdout)
    assert best is not None and top.data.tags["temper.best"] == best[1]
    assert searching.run("dvc", "exp", "apply", best[1]).returncode == 0
    raw = YAML(typ="safe").load((searching.root / "params.yaml").read_text(encoding="utf-8"))
    assert str(raw["train"]["learning_rate"]) in rates
    again = searching.run("dvc", "status")
    assert "up to date" in again.stdout, again.stdout


@pytest.mark.parametrize("searching", ["stopped"], indirect=True)
def test_ctrl_c_ends_a_search_and_what_it_began(searching: Project, prefect_server: str) -> None:
    began = searching.start("flows.search", PREFECT_API_URL=prefect_server)
    wait_until(lambda: any((searching.root / ".dvc/tmp/exps/standalone").glob("tmp*/data/ingest")), 120, every=0.05)
    os.kill(began.pid, signal.SIGINT)
    assert began.wait(60) == 130
    assert "the same command goes on" in said(searching)
    assert not processes_in(searching)
    assert not list((searching.root / ".dvc/tmp/exps/standalone").glob("tmp*"))
    assert not [run for run in searching.runs() if run.info.status == "RUNNING"]
