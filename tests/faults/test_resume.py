"""A training that is killed goes on, and ends with the very bytes of one that was not."""

from pathlib import Path

import pytest

from tests.faults.training import ended, job_of, prepare, run_to_end, start, ways


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("trainings") / "prepared")


@pytest.mark.parametrize("way", ways())
def test_a_killed_training_ends_with_the_same_bytes(prepared: Path, tmp_path: Path, way: str) -> None:
    whole, killed = (job_of(prepared, tmp_path / name, ways()[way]) for name in ("whole", "killed"))
    run_to_end(whole)
    update = 28 if way == "adalora" else 7  # there: when the ranks are settled
    assert ended(start(killed, at_update=update)) == -9
    assert killed.checkpoints()
    run_to_end(killed)
    assert f"goes on from update {update - 1} of" in killed.said()
    assert killed.result() == whole.result()
    assert not list((killed.folder / ".temper/checkpoints").glob("*/*/*"))
