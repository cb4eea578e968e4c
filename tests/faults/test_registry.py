"""The same bundle registered at once, and a promotion that is broken off: one version, one alias, verified."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

from stages.shared.errors import MachineError
from stages.shared.lineage import Origin
from stages.shared.outcome import Outcome
from stages.shared.session import process_key
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import open_stage_run
from tests.faults.stores import (
    BEFORE,
    MlflowServer,
    make_store,
    register_and_be_killed,
    register_at_once,
    registered,
    write_bundle,
)

ONE = ([1], {"challenger": 1, "champion": 1})


@pytest.mark.fault(42)
def test_eight_processes_of_two_clones_make_one_version_in_a_database(tmp_path: Path) -> None:
    write_bundle(tmp_path / "package", "reviews")
    uri = f"sqlite:///{tmp_path}/shared.db"
    assert register_at_once(tmp_path / "package", 8, [tmp_path / "a", tmp_path / "b"], uri) == ""
    assert registered(MlflowClient(uri), "reviews") == ONE


@pytest.mark.fault(42)
@pytest.mark.real
def test_processes_of_two_clones_make_one_version_on_a_server(tmp_path: Path, mlflow_server: MlflowServer) -> None:
    write_bundle(tmp_path / "package", "reviews")
    assert register_at_once(tmp_path / "package", 4, [tmp_path / "a", tmp_path / "b"], mlflow_server.uri) == ""
    assert registered(MlflowClient(mlflow_server.uri), "reviews") == ONE


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clone with a store of its own, and a bundle in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make_store(tmp_path / "mlflow.db")
    write_bundle(tmp_path / "package", "reviews")
    yield tmp_path


def register(clone: Path, session: str = "again", folder: str = "package") -> str:
    tags = {"temper.host": "here", "temper.process": process_key(psutil.Process())}
    run = open_stage_run(Origin(session, "package", {}, tags, {}))
    return register_bundle(run, clone / folder, Outcome("made", {})).summary


@pytest.mark.fault(43)
def test_a_promotion_that_was_killed_at_any_point_is_finished_by_the_next_run(clone: Path) -> None:
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    for number, (call, count) in enumerate(BEFORE, start=1):
        folder = clone / f"package {number}"
        write_bundle(folder, f"model {number}")
        assert register_and_be_killed(folder, clone, call, count) == -9
        assert len(client.get_registered_model(f"model {number}").aliases) == count - 1
        register(clone, folder=folder.name)
        assert registered(client, f"model {number}") == ONE


@pytest.mark.fault(43)
def test_no_alias_names_a_version_whose_files_are_damaged(clone: Path) -> None:
    assert "champion" in register(clone)
    (stored,) = (clone / "mlartifacts").rglob("model.onnx")
    stored.write_text("other", encoding="utf-8")
    register(clone)  # its files are uploaded again
    assert stored.read_text(encoding="utf-8") == "weights"

    write_bundle(clone / "better", "reviews", content="better", figure=0.9)
    (clone / "better/bundle/model.onnx").write_text("not what the manifest says", encoding="utf-8")
    with pytest.raises(Exception, match="is damaged"):
        register(clone, "better", "better")
    (clone / "better/bundle/model.onnx").write_text("better", encoding="utf-8")
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    assert registered(client, "reviews") == ([1, 2], {"challenger": 1, "champion": 1})
    assert "champion: macro_f1 0.9000 is not worse" in register(clone, "better", "better")
    assert registered(client, "reviews") == ([1, 2], {"challenger": 2, "champion": 2})


@pytest.mark.fault(43)
def test_files_that_cannot_be_mended_are_an_error_that_says_what_to_do(clone: Path) -> None:
    register(clone)
    (stored,) = (clone / "mlartifacts").rglob("model.onnx")
    (stored.parent / "extra.bin").write_text("foreign", encoding="utf-8")
    with pytest.raises(MachineError, match=r"extra\.bin: not in the manifest\n(.|\n)*Delete the version in MLflow"):
        register(clone)
