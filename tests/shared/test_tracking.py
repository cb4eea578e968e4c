"""The record in a real MLflow store: names that MLflow takes, live figures, and who becomes champion."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from serving.written import MANIFEST, sha256_of
from stages.shared.lineage import origin_of
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.shared.pipeline import Stage
from stages.shared.publish import write_json, write_manifest
from stages.shared.tracking import Record
from stages.shared.tracking.registry import register_bundle
from stages.shared.tracking.runs import StageRun, allowed_name, flatten, open_stage_run
from stages.shared.tracking.store import store_uri

STAGE = Stage("package", "", (), Path("data/package"), frozenset())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A clone with a store of its own, for this file's tests: a new one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("clone"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture
def run(store: None, tmp_path: Path, make_params: Callable[..., Params]) -> StageRun:
    """An open run, of a pipeline run of its own."""
    return open_stage_run(origin_of(tmp_path.name, STAGE, make_params()))


def register(run: StageRun, out: Path, figure: float, bundle: str = "b1", test: str = "t1") -> str:
    """Register a bundle of model `out.name` with these facts; give what became of it."""
    (out / "bundle").mkdir(parents=True, exist_ok=True)
    (out / "bundle/model.onnx").write_text(bundle, encoding="utf-8")
    write_manifest(out / "bundle")
    facts: dict[str, Any] = {"name": out.name, "primary": "macro_f1", "value": figure}
    digest = sha256_of(out / "bundle" / MANIFEST)
    write_json(out / "registration.json", facts | {"test_sha256": test, "bundle_sha256": digest})
    return register_bundle(run, out, Outcome("made", {})).summary


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}


def test_the_same_bundle_is_registered_once(run: StageRun, tmp_path: Path) -> None:
    assert "registered as once 1, champion: the first version" in register(run, tmp_path / "once", 0.8)
    assert "it is the champion already" in register(run, tmp_path / "once", 0.8)
    assert len(run.client.search_model_versions("name = 'once'")) == 1


def test_the_champion_moves_only_to_what_is_not_worse_on_the_same_test_data(run: StageRun, tmp_path: Path) -> None:
    register(run, tmp_path / "best", 0.8)
    worse = register(run, tmp_path / "best", 0.79, bundle="b2")
    assert "macro_f1 0.7900 is worse than champion 1's 0.8000" in worse
    assert aliases(run.client, "best") == {"champion": "1", "challenger": "2"}
    assert "was measured on other test data" in register(run, tmp_path / "best", 0.99, bundle="b3", test="t2")
    assert aliases(run.client, "best") == {"champion": "1", "challenger": "3"}
    assert "is not worse" in register(run, tmp_path / "best", 0.8, bundle="b4")
    assert aliases(run.client, "best") == {"champion": "4", "challenger": "4"}
    assert "is worse" in run.client.get_model_version("best", "2").tags["temper.promotion"]


def test_any_label_can_be_part_of_a_metric(run: StageRun, tmp_path: Path) -> None:
    run.finish(Outcome("done", {"test.f1.R&D (new?)": 0.5, "test.f1.好评": 0.25}), tmp_path, at=1)
    metrics = run.client.get_run(run.run_id).data.metrics
    assert metrics == {"test.f1.R_D _new__": 0.5, "test.f1.好评": 0.25}


def test_live_figures_arrive_with_their_steps(store: None, tmp_path: Path, make_params: Callable[..., Params]) -> None:
    record, session = Record(), tmp_path.name
    record.open(origin_of(session, STAGE, make_params()))
    for step in range(1200):
        record.live(step, {"loss": 1 / (step + 1)})
    record.end(session, [STAGE], "FINISHED")
    client = MlflowClient(store_uri())
    experiment = client.get_experiment_by_name("temper")
    assert experiment is not None
    child, parent = client.search_runs([experiment.experiment_id], max_results=2)
    history = client.get_metric_history(child.info.run_id, "loss")
    assert sorted(point.step for point in history) == list(range(1200))
    assert (child.info.status, parent.info.status) == ("FINISHED", "FINISHED")
    assert not list(Path(".temper/spool").iterdir())


def test_names_and_nested_parameters() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": None}}, "e": [1, "x"]}) == {"a.b": "1", "a.c.d": "None", "e": '[1, "x"]'}
    assert allowed_name("temper.md5.../up+here") == "temper.md5_./up_here"
    assert len(allowed_name("x" * 1000)) == 250


def test_the_store_is_in_the_clone_also_from_a_queued_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / ".dvc/tmp/exps/tmp1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / ".dvc/tmp/exps/tmp1")
    assert store_uri() == f"sqlite:///{tmp_path.resolve()}/mlflow.db"


def test_what_was_measured_beside_the_stage_is_a_run_of_its_own_below_the_parent(run: StageRun, tmp_path: Path) -> None:
    children = {"ladder: majority": {"test.accuracy": 0.5, "milliseconds": 0.1}}
    run.finish(Outcome("done", {}, children=children, pages={"ladder.md": b"# The ladder\n"}), tmp_path, at=1)
    experiment = run.client.get_run(run.run_id).info.experiment_id
    (child,) = run.client.search_runs([experiment], "tags.`temper.child` = 'ladder: majority'")
    assert child.data.tags["mlflow.parentRunId"] == run.parent_id
    assert child.data.metrics == children["ladder: majority"]
    assert child.info.status == "FINISHED"
    assert "ladder.md" in [file.path for file in run.client.list_artifacts(run.run_id)]
