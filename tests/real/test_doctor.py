"""`python -m flows.doctor`: what a kill leaves and what damage does is named and mended; the living are left alone."""

from pathlib import Path

import pytest

from tests.faults.killing import cut_rwlock, held_in_stage, what_is_left
from tests.real.project import Project

pytestmark = pytest.mark.real


def spoilt(path: Path) -> Path:
    """Flip a bit of a file and keep its mode, as a bad disk does."""
    mode = path.stat().st_mode
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.fault(33)
@pytest.mark.fault(32)
def test_what_a_living_process_holds_stays_and_what_a_killed_one_left_goes(up_to_date: Project) -> None:
    project = up_to_date
    lock, rwlock = project.lock_text(), project.root / ".dvc/tmp/rwlock"
    with held_in_stage(project, "augment") as process:
        held = rwlock.read_text(encoding="utf-8")
        assert f'"pid": {process.pid}' in held
        project.run("flows.doctor", "--fix")
        assert (project.root / "data/.augment.partial").is_dir()
        assert rwlock.read_text(encoding="utf-8") == held
        assert project.runs()[0].info.status == "RUNNING"

        second = project.run("dvc", "repro", "--force", "--single-item", "augment")
        assert second.returncode != 0
        assert f"(PID {process.pid})" in second.stdout
        flow = project.run("flows.finetune")
        assert flow.returncode == 4
        assert f"is locked by pid {process.pid} since 20" in flow.stdout
        assert "Traceback" not in flow.stdout

    found = project.run("flows.doctor")
    assert found.returncode == 1
    for text in (
        f".dvc/tmp/rwlock: locks of pid {process.pid}, gone. Remove .dvc/tmp/rwlock when no `dvc` runs.",
        "data/.augment.partial: left by a run that is gone. Remove data/.augment.partial.",
        ".temper/spool/",
    ):
        assert text in found.stdout
    mended = project.run("flows.doctor", "--fix")
    assert mended.returncode == 0, mended.stdout
    assert not what_is_left(project)
    assert project.run("dvc", "repro").returncode == 0
    assert project.lock_text() == lock


@pytest.mark.fault(34)
def test_damage_is_found_and_mended_from_what_is_whole(up_to_date: Project) -> None:
    project = up_to_date
    cache, lock = project.root / ".dvc/cache/files/md5", project.lock_text()
    listing = spoilt(next(cache.glob("*/*.dir")))
    largest = spoilt(max(cache.glob("*/*"), key=lambda path: path.stat().st_size))
    table = spoilt(project.root / "data/validate/train.parquet")
    cut_rwlock(project)
    assert project.run("dvc", "repro").returncode == 255  # and DVC does not say what to do
    found = project.run("flows.doctor")
    assert found.returncode == 1
    for path in (listing, largest):
        assert f"{path.relative_to(project.root)}: its bits are not those that its name says" in found.stdout
    assert "data/validate is damaged: train.parquet: its bytes are not those that were written" in found.stdout
    assert ".dvc/tmp/rwlock: cut, so that `dvc` refuses to run. Remove .dvc/tmp/rwlock." in found.stdout
    mended = project.run("flows.doctor", "--fix")
    assert mended.returncode == 0, mended.stdout
    assert oct(largest.stat().st_mode)[-3:] == "444"
    assert "up to date" in project.run("dvc", "repro").stdout
    assert project.lock_text() == lock
    assert table.stat().st_size > 0


def test_what_is_missing_is_named_and_left_to_the_user(up_to_date: Project) -> None:
    project = up_to_date
    project.set_params({"augment.synonyms.thesaurus.folder": "no/such/folder"})
    done = project.run("flows.doctor", "--fix")
    assert done.returncode == 1
    assert "no/such/folder" in done.stdout
    assert "Traceback" not in done.stdout
    project.set_params({"augment.synonyms.thesaurus.folder": "/usr/share/wordnet"})
