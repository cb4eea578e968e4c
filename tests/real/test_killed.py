"""`dvc repro` killed while a stage is at work: one command mends it, and the same `dvc.lock` comes of it."""

import random

import pytest

from tests.faults.killing import cut_rwlock, kill_in_stage, what_is_left
from tests.real.project import Project

pytestmark = pytest.mark.real


@pytest.mark.fault(32)
def test_a_repro_killed_in_a_stage_ends_in_the_same_lock(project: Project) -> None:
    assert project.run("dvc", "repro").returncode == 0
    lock = project.lock_text()
    kill_in_stage(project, "package", random.Random(32), longest=0.5)
    cut_rwlock(project)
    mended = project.run("flows.doctor", "--fix")
    assert mended.returncode == 0, mended.stdout
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert project.lock_text() == lock
    assert not what_is_left(project)
