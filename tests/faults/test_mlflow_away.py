"""MLflow away or locked while a stage runs: the stage goes on, and everything is recorded later, once."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.faults.recording import (
    RecordedStage,
    expected_facts,
    locked_by_another_process,
    record_one,
    recorded_facts,
    runs_of,
)
from tests.faults.stores import MlflowServer, registered, write_bundle


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What a stage wrote: figures, a report, and a bundle of a name that no other test uses."""
    folder = tmp_path / "package"
    write_bundle(folder, tmp_path.name)
    (folder / "metrics.json").write_text(json.dumps({"macro_f1": 0.8}), encoding="utf-8")
    (folder / "report.md").write_text("# Report", encoding="utf-8")
    return folder


def waiting(clone: Path) -> list[Path]:
    return list((clone / ".temper/spool").iterdir())


@pytest.mark.fault(40)
@pytest.mark.real
def test_a_server_killed_during_a_stage_has_all_of_it_later_and_once(
    tmp_path: Path, out: Path, mlflow_server: MlflowServer
) -> None:
    clone, session, client = tmp_path / "clone", tmp_path.name, MlflowClient(mlflow_server.uri)
    with RecordedStage(clone, session, out, mlflow_server.uri) as stage:
        stage.does("open")
        stage.does("live 0 20")
        mlflow_server.kill()
        stage.does("live 20 2000")
        assert "MLflow is away: its record waits in .temper/spool" in stage.does("finish")
        stage.does("end")
        assert stage.ends() == 0
    assert "does not answer. The stage goes on" in stage.log.read_text(encoding="utf-8")
    shutil.rmtree(out)  # the next run replaces it
    write_bundle(out, "other", content="other")
    mlflow_server.start()
    record_one(clone, f"{session} again", out, mlflow_server.uri)
    assert not waiting(clone)
    assert recorded_facts(client, session) == expected_facts(2000)
    assert registered(client, session) == ([1], {"challenger": 1, "champion": 1})


@pytest.mark.fault(40)
def test_a_database_that_another_process_locks_stops_no_stage(tmp_path: Path, out: Path) -> None:
    clone, session = tmp_path / "clone", tmp_path.name
    with RecordedStage(clone, session, out) as stage:
        stage.does("open")
        with locked_by_another_process(clone / "mlflow.db"):
            stage.does("live 0 100")
            stage.does("finish")
            stage.does("end")
            assert stage.ends() == 0
    assert "mlflow.db is locked by another process" in stage.log.read_text(encoding="utf-8")
    with locked_by_another_process(clone / "mlflow.db"):  # one that begins while it is still so
        record_one(clone, "later", out)
    assert len(waiting(clone)) == 2
    shutil.copytree(clone / ".temper/spool", tmp_path / "spool")
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    for last in ("last", "very last"):  # the second as after a kill between the last answer and the forgetting
        record_one(clone, last, out)
        assert not waiting(clone)
        assert recorded_facts(client, session) == expected_facts(100)
        assert recorded_facts(client, "later")["status"] == ("FINISHED", "FINISHED")
        assert registered(client, tmp_path.name) == ([1], {"challenger": 1, "champion": 1})
        shutil.copytree(tmp_path / "spool", clone / ".temper/spool", dirs_exist_ok=True)


@pytest.mark.fault(40)
def test_a_database_that_is_free_again_gets_it_while_the_stage_runs(tmp_path: Path, out: Path) -> None:
    clone = tmp_path / "clone"
    with RecordedStage(clone, "s", out) as stage:
        stage.does("open")
        with locked_by_another_process(clone / "mlflow.db"):
            stage.does("live 0 100")
            stage.does("finish")
        stage.does("end")
        assert stage.ends() == 0
    assert "is back: what waited has been sent" in stage.log.read_text(encoding="utf-8")
    assert not waiting(clone)
    assert recorded_facts(MlflowClient(f"sqlite:///{clone / 'mlflow.db'}"), "s") == expected_facts(100)


@pytest.mark.fault(40)
def test_what_a_kill_of_stage_and_recorder_leaves_is_closed_by_the_next(tmp_path: Path, out: Path) -> None:
    clone = tmp_path / "clone"
    with RecordedStage(clone, "s", out) as stage:
        stage.does("open")
        with locked_by_another_process(clone / "mlflow.db"):
            stage.does("live 0 100")
            os.killpg(stage.process.pid, signal.SIGKILL)
    (left,) = waiting(clone)
    with (left / "calls.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"call": "live", "at')  # a kill within a write
    record_one(clone, "next", out)
    parent, (run,) = runs_of(MlflowClient(f"sqlite:///{clone / 'mlflow.db'}"), "s")
    assert (parent.info.status, run.info.status) == ("KILLED", "KILLED")
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    steps = sorted(point.step for point in client.get_metric_history(run.info.run_id, "loss"))
    assert steps == list(range(len(steps)))
    assert not waiting(clone)


@pytest.mark.fault(40)
def test_a_record_that_the_store_never_takes_is_set_aside_and_stops_nothing(tmp_path: Path, out: Path) -> None:
    clone = tmp_path / "clone"
    record_one(clone, "first", out)
    bad = clone / ".temper/spool/1-999999999"
    bad.mkdir()
    calls = [{"call": "begin", "at": 1, "uri": f"sqlite:///{clone / 'mlflow.db'}", "process": "999999999@1.00"}]
    calls += [
        {"call": "close", "at": 1, "session": "first", "shown": {"train": {"loss": "no figure"}}, "status": "FAILED"}
    ]
    (bad / "calls.jsonl").write_text("".join(json.dumps(call) + "\n" for call in calls), encoding="utf-8")
    record_one(clone, "second", out)
    assert [path.name for path in waiting(clone)] == ["1-999999999.refused"]
