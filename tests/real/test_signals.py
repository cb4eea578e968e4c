"""Signals and kill -9 while a stage trains: no process is left, and no run says RUNNING."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.killing import pids_of
from tests.real.conftest import wait_until
from tests.real.project import Project

pytestmark = pytest.mark.real
LONG = {"train.epochs": 5000, "train.patience": 5000}


def stage_is_training(project: Project) -> bool:
    """Whether training has logged a loss."""
    return bool(training_pids(project))


@pytest.fixture
def training(project: Project) -> Iterator[Project]:
    """A project whose next run trains for a very long time; nothing of it is left even when the test fails."""
    project.set_params(LONG)
    yield project
    for pid in pids_of(project):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_to_the_flow_ends_everything(
    training: Project, prefect_server: str, number: signal.Signals, code: int
) -> None:
    process = training.start("flows.finetune", PREFECT_API_URL=prefect_server)
    wait_until(lambda: stage_is_training(training), 120)
    os.kill(process.pid, number)
    assert process.wait(60) in (code, -number)
    wait_until(lambda: not pids_of(training), 20)
    assert {run.info.status for run in training.runs()[:2]} == {"KILLED"}


def checkpoints_of(project: Project) -> list[Path]:
    """The checkpoints of trainings that were broken off."""
    return list(project.root.glob(".temper/checkpoints/train/*/*/*/MANIFEST.json"))


@pytest.mark.fault(28)
def test_ctrl_c_in_a_bare_repro_ends_all_but_the_checkpoints_and_so_does_a_killed_dvc(training: Project) -> None:
    process = training.start("dvc", "repro", TEMPER_CHECKPOINT_SECONDS="0")
    wait_until(lambda: stage_is_training(training) and len(checkpoints_of(training)) == 2, 120)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the whole group
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)  # and once more
    assert process.wait(60) != 0
    wait_until(lambda: not pids_of(training), 20)
    assert not [run for run in training.runs() if run.info.status == "RUNNING"]
    assert len(checkpoints_of(training)) == 2
    process = training.start("dvc", "repro")
    wait_until(lambda: "goes on from update" in (training.root / "output.log").read_text(encoding="utf-8"), 120)
    killed_is_followed_by_its_stage(training, process)


def killed_is_followed_by_its_stage(training: Project, process: subprocess.Popen[str]) -> None:
    """Kill a `dvc` or a flow alone: its stage stops by itself and leaves nothing."""
    wait_until(lambda: stage_is_training(training), 120)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: not pids_of(training), 30)
    assert not [run for run in training.runs() if run.info.status == "RUNNING"]


def test_a_stage_stops_by_itself_when_its_flow_is_killed(training: Project, prefect_server: str) -> None:
    process = training.start("flows.finetune", PREFECT_API_URL=prefect_server)
    killed_is_followed_by_its_stage(training, process)


def test_the_next_start_closes_what_a_kill_left(training: Project) -> None:
    process = training.start("dvc", "repro")
    wait_until(lambda: stage_is_training(training), 120)
    for pid in pids_of(training):
        os.kill(pid, signal.SIGKILL)
    process.wait(10)
    assert [run for run in training.runs() if run.info.status == "RUNNING"]
    done = training.run("dvc", "repro", "--force", "--single-item", "ingest")
    assert done.returncode == 0, done.stdout
    assert not [run for run in training.runs() if run.info.status == "RUNNING"]


def training_pids(project: Project) -> set[int]:
    """The processes of stages that have logged a loss and whose runs say RUNNING."""
    return {
        int(run.data.tags["temper.process"].partition("@")[0])
        for run in project.runs()
        if run.info.run_name == "train" and run.info.status == "RUNNING" and "loss" in run.data.metrics
    }


@pytest.mark.fault(38)
def test_a_killed_stage_is_tried_again_and_named_and_a_time_limit_holds(training: Project, prefect_server: str) -> None:
    limits = ("--stage-retries", "1", "--stage-seconds", "30")
    process = training.start("flows.finetune", *limits, PREFECT_API_URL=prefect_server)
    wait_until(lambda: training_pids(training), 120)
    (stage,) = training_pids(training)
    os.kill(stage, signal.SIGKILL)
    assert process.wait(120) == 1
    log = (training.root / "output.log").read_text(encoding="utf-8")
    assert log.count("train: the stage was killed; too little memory is the usual reason") == 1
    assert log.count("trying again, 1 left") == 1
    assert "train: took longer than 30 s and was stopped" in log
    assert "package    Skipped" in log
    assert not pids_of(training)
    assert not [run for run in training.runs() if run.info.status == "RUNNING"]
    assert training.parents()[0].info.status == "FAILED"
