"""The recording process: it keeps the record as if the stage did, says what went wrong, and outlives no stage."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import ROOT

BEGIN = """
import os, signal, sys, time
from dataclasses import replace
from pathlib import Path
from flows.recorder import Recorder, RecorderGone
from flows.stopping import Stopped, stop_on_signals, unbroken
from stages.shared.errors import MachineError
from stages.shared.lineage import Origin
from stages.shared.outcome import Outcome
from stages.shared.pipeline import Stage
from stages.shared.session import process_key
import psutil
stop_on_signals()
recorder = Recorder()
stage = Stage("train", "", (), Path("data/train"), frozenset())
tags = {"temper.host": "here", "temper.process": process_key(psutil.Process())}
origin = Origin("s", "train", {"train": {"epochs": 3}}, tags, {"data/augment": "0" * 32})
"""
WHOLE = """
recorder.ask("open", origin)
for step in range(30):
    recorder.live(step, {"loss": 1.0 / (step + 1)})
outcome = recorder.ask("finish", Outcome("done", {"loss": 0.5}, tags={"seen": "yes"}), Path("data/train"))
assert outcome.summary == "done"
recorder.ask("end", "s", [stage], "FINISHED")
recorder.close()
"""
BROKEN_OFF = """
recorder.ask("open", origin)
try:
    recorder.ask("fail", "x" * 300_000, Path("none"), meanwhile=lambda: os.kill(os.getpid(), signal.SIGTERM))
except Stopped as stop:
    assert stop.exit_code == 143
else:
    raise AssertionError("not stopped")
recorder.ask("end", "s", [stage], "KILLED")
recorder.close()
"""
UNUSABLE = """
try:
    recorder.ask("open", origin)
except MachineError as error:
    assert "cannot be used" in str(error), error
    assert not isinstance(error, RecorderGone)
else:
    raise AssertionError("opened")
recorder.ask("end", "s", [stage], "FAILED")
recorder.close()
"""
FAULT = """
recorder.ask("open", origin)
recorder.live(0, {"loss": "no figure"})
recorder.live(0, {"loss": "no figure"})
try:
    recorder.ask("finish", Outcome("done", {}), Path("data/train"))
except RuntimeError as error:
    assert "no figure" in str(error), error
else:
    raise AssertionError("no error")
recorder.close()
"""
SERVED = """
from flows.recorder_server import ADDRESS, RecorderServer
recorder.close()
lines = []
server = RecorderServer(lines.append)
for name, ends in [("left", False), ("train", True)]:
    recorder = Recorder(ADDRESS)
    assert recorder._process is None
    recorder.ask("open", replace(origin, stage=name))
    recorder.live(0, {"loss": 1.0})
    if ends:
        recorder.ask("end", "s", [stage], "FINISHED")
    recorder.close()
server.close()
assert not Path(ADDRESS).exists()
assert not lines, lines
recorder = Recorder(ADDRESS)
assert recorder._process is not None
recorder.close()
"""
SAID = """
from flows.recorder_server import ADDRESS, RecorderServer
recorder.close()
lines = []
server = RecorderServer(lines.append)
recorder = Recorder(ADDRESS)
recorder.ask("open", origin)
recorder.close()
server.close()
assert "does not answer" in lines[0], lines
"""
GONE = """
os.kill(recorder._process, signal.SIGKILL)
try:
    recorder.ask("open", origin)
except RecorderGone as error:
    assert error.exit_code == 4
else:
    raise AssertionError("answered")
recorder.close()
"""
HELD = """
try:
    with unbroken():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        print("unbroken")
except Stopped as stop:
    assert stop.exit_code == 130
else:
    raise AssertionError("not stopped")
recorder.close()
"""


def done(script: str, folder: Path, environment: dict[str, str]) -> str:
    words = [sys.executable, "-c", BEGIN + script]
    ran = subprocess.run(
        words, cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of its own, for this file's tests: a new one takes seconds."""
    return tmp_path_factory.mktemp("clone")


@pytest.fixture
def environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_TRACKING", "TEMPER_"))}


def test_a_whole_record(clone: Path, environment: dict[str, str]) -> None:
    done(WHOLE, clone, environment)
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    child, parent = client.search_runs([experiment.experiment_id])
    assert (child.info.run_name, child.info.status, parent.info.status) == ("train", "FINISHED", "FINISHED")
    assert parent.data.params == {"train.epochs": "3"}
    assert child.data.tags["temper.summary"] == "done"
    assert child.data.tags["temper.md5.data/augment"] == "0" * 32
    assert parent.data.tags["seen"] == "yes"
    history = client.get_metric_history(child.info.run_id, "loss")
    assert sorted(point.step for point in history) == [0, *range(30)]


def test_a_signal_breaks_the_waiting_off_and_the_next_answer_is_the_right_one(
    clone: Path, environment: dict[str, str]
) -> None:
    done(BROKEN_OFF, clone, environment)
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    assert client.search_runs([experiment.experiment_id])[0].info.status == "KILLED"


def test_what_was_told_and_failed_is_raised_by_the_next_question(clone: Path, environment: dict[str, str]) -> None:
    done(FAULT, clone, environment)


def test_a_store_that_cannot_be_used_is_the_machines_error(tmp_path: Path, environment: dict[str, str]) -> None:
    done(UNUSABLE, tmp_path, environment | {"MLFLOW_TRACKING_URI": "nothing-such://store"})


def test_the_recorders_of_a_server_keep_one_record_each_and_outlive_no_stage(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done(SERVED, tmp_path, environment)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.mlflow.parentRunId LIKE '%'")
    assert {run.info.run_name: run.info.status for run in runs} == {"left": "KILLED", "train": "FINISHED"}


def test_what_a_recorder_of_a_server_says_comes_to_the_flow(tmp_path: Path, environment: dict[str, str]) -> None:
    done(SAID, tmp_path, environment | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})


def test_a_recorder_that_is_gone_is_said(tmp_path: Path, environment: dict[str, str]) -> None:
    done(GONE, tmp_path, environment)


def test_a_signal_waits_for_the_end_of_what_must_not_be_torn(tmp_path: Path, environment: dict[str, str]) -> None:
    assert done(HELD, tmp_path, environment) == "unbroken\n"
