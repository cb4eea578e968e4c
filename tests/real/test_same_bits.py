"""The same bytes of every stage in other surroundings, and `python -m flows.verify`, which says so or says why not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.surroundings import OTHER, manifests_in
from tests.real.project import ROWS, Project, make_project

pytestmark = pytest.mark.real


@pytest.mark.fault(39)
def test_every_stage_gives_the_same_bytes_in_other_surroundings(up_to_date: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path / "another clone, elsewhere", up_to_date.root / "tiny", ROWS)
    environment = other.environment | OTHER[0]
    assert manifests_in(other.root, environment) == manifests_in(up_to_date.root)


def test_a_stage_that_gives_the_same_is_verified_and_nothing_is_touched(project: Project) -> None:
    runs, lock = len(project.runs()), project.lock_text()
    before = {path: path.stat().st_mtime_ns for path in (project.root / "data").rglob("*")}
    done = project.run("flows.verify", "package")
    assert done.returncode == 0, done.stdout
    assert "same bits: package: all " in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (project.root / "data").rglob("*")} == before
    assert (len(project.runs()), project.lock_text()) == (runs, lock)
    assert not list((project.root / ".temper/scratch").iterdir())


def test_what_is_different_is_named_and_so_is_what_cannot_be_compared(project: Project) -> None:
    figures = project.root / "data/evaluate/metrics.json"
    cases = project.run("flows.verify", "evaluation")
    assert (cases.returncode, "'evaluation' is not a stage of dvc.yaml" in cases.stdout) == (2, True)
    project.set_params({"evaluate.bootstrap_samples": 101})
    changed = project.run("flows.verify", "evaluate")
    assert (changed.returncode, "params.yaml: evaluate" in changed.stdout) == (4, True), changed.stdout
    project.set_params({"evaluate.bootstrap_samples": 100})
    content = figures.read_text(encoding="utf-8")
    figures.write_text(content.replace('"test.accuracy": 0', '"test.accuracy": 7'), encoding="utf-8")
    damaged = project.run("flows.verify", "evaluate")
    assert (damaged.returncode, "data/evaluate is damaged" in damaged.stdout) == (3, True), damaged.stdout
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from stages.shared.publish import write_manifest;"
            "write_manifest(Path('data/evaluate'))",
        ],
        cwd=project.root,
        env=project.environment | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    other = project.run("flows.verify", "evaluate")
    assert other.returncode == 5, other.stdout
    assert "different: evaluate:" in other.stdout
    assert "test.accuracy: 7" in other.stdout
    assert "versions, threads and CPU are the same" in other.stdout
    assert project.run("dvc", "checkout", "--force", "data/evaluate").returncode == 0


def test_other_kernels_give_the_same_figures_and_the_reason_is_said(project: Project) -> None:
    done = project.run("flows.verify", "train", ATEN_CPU_CAPABILITY="default")
    assert done.returncode == 0, done.stdout
    assert "same figures: train:\n  files that differ: " in done.stdout
    assert "ATEN_CPU_CAPABILITY=default now" in done.stdout
