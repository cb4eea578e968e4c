"""The three doors, `dvc repro`, the flow and `dvc exp run`, in one clone: the same hashes, and rows that compare."""

import json

import pytest

from stages.shared.pipeline import read_stages
from tests.real.project import Project

pytestmark = pytest.mark.real
NAMES = [stage.name for stage in read_stages()]


def test_one_parent_shows_every_stage(project: Project) -> None:
    parent = project.parents()[-1]
    assert parent.info.status == "FINISHED"
    assert [parent.data.tags[f"temper.stage.{name}"] for name in NAMES] == ["ran"] * len(NAMES)
    assert {name.split(".")[0] for name in parent.data.metrics} == set(NAMES)
    assert parent.data.params["train.epochs"] == "1"


def test_each_stage_is_a_child_with_its_lineage(project: Project) -> None:
    parent = project.parents()[-1]
    children = [r for r in project.runs() if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.info.run_name for run in children) == sorted(NAMES)
    train = next(run for run in children if run.info.run_name == "train")
    locked = project.lock_text()
    assert train.data.tags["temper.md5.data/augment"] in locked
    assert train.data.tags["temper.md5.stages/methods/full.py"] in locked
    assert len(parent.data.tags["base_sha256"]) == 64
    assert parent.data.tags["validation"] == "passed"
    assert train.data.tags["temper.git.dirty"] == "false"
    assert {entry.dataset.name for entry in train.inputs.dataset_inputs} == {"data/augment", "data/pretrain"}


def test_live_curves_reach_the_run_of_training(project: Project) -> None:
    train = next(run for run in reversed(project.runs()) if run.info.run_name == "train")
    assert len(project.client().get_metric_history(train.info.run_id, "loss")) > 1


def test_the_bundle_is_registered_with_its_aliases(project: Project) -> None:
    model = project.client().get_registered_model("reviews")
    assert set(model.aliases) == {"champion", "challenger"}


def test_nothing_new_runs_nothing_and_records_nothing(project: Project) -> None:
    runs, lock = len(project.runs()), project.lock_text()
    done = project.run("dvc", "repro")
    assert "up to date" in done.stdout
    done = project.run("flows.finetune")
    assert done.returncode == 0
    assert "Nothing has changed" in done.stdout
    assert (len(project.runs()), project.lock_text()) == (runs, lock)


def test_metrics_and_plots_are_dvcs_own(project: Project) -> None:
    shown = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert "test.macro_f1" in shown["data/evaluate/metrics.json"]["data"]
    plots = json.loads(project.run("dvc", "plots", "show", "--json").stdout)
    assert "errors" not in plots
    assert {"Loss of training", "Validation"} <= plots["data"].keys()
    assert any(name.endswith("confusion.png") for name in plots["data"])
    (loss,) = plots["data"]["Loss of training"]
    assert len(loss["content"]["data"]["values"]) > 1


def test_an_experiment_is_a_row_that_compares_with_the_others(project: Project) -> None:
    before = len(project.parents())
    done = project.run("dvc", "exp", "run", "-S", "evaluate.bootstrap_samples=101")
    assert done.returncode == 0, done.stdout
    newest, *_, first = project.parents()
    assert len(project.parents()) == before + 1
    assert newest.data.params["evaluate.bootstrap_samples"] == "101"
    assert newest.data.tags["temper.stage.train"] == "cached"
    assert newest.data.tags["temper.stage.evaluate"] == "ran"
    assert newest.data.metrics.keys() == first.data.metrics.keys()
    project.set_params({"evaluate.bootstrap_samples": 100})


def test_a_queued_experiment_records_in_the_clone(project: Project) -> None:
    before = len(project.parents())
    assert project.run("dvc", "exp", "run", "--queue", "-S", "package.name=queued").returncode == 0
    done = project.run("dvc", "exp", "run", "--run-all")
    assert done.returncode == 0, done.stdout
    assert len(project.parents()) == before + 1
    assert project.parents()[0].data.params["package.name"] == "queued"


def test_run_again_by_force_gives_the_same_hashes_and_a_row_that_compares(project: Project) -> None:
    lock, parents = project.lock_text(), len(project.parents())
    done = project.run("dvc", "repro", "--force", "--single-item", "train")
    assert done.returncode == 0, done.stdout
    assert project.lock_text() == lock
    newest, before, *_ = project.parents()
    assert len(project.parents()) == parents + 1
    assert newest.data.metrics.items() <= before.data.metrics.items()
