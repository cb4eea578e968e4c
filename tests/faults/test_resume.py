"""A training that is killed goes on, and ends with the very bytes of one that was not."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet

from serving.written import MANIFEST
from stages.shared.checkpoints import IDENTITY, Keeper
from stages.shared.params import load_params
from stages.shared.pipeline import Stage
from stages.shared.publish import published
from tests.faults.training import Job, ended, job_of, prepare, run_to_end, set_params, start, ways

WAY = "accumulation and early stopping"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("trainings") / "prepared")


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A training that nothing disturbs."""
    job = job_of(prepared, tmp_path_factory.mktemp("whole") / "whole", ways()[WAY])
    run_to_end(job)
    return job


@pytest.fixture
def killed(prepared: Path, tmp_path: Path) -> Job:
    """The same, killed after its eighth update."""
    job = job_of(prepared, tmp_path / "killed", ways()[WAY])
    assert ended(start(job, at_update=8)) == -signal.SIGKILL
    assert len(job.checkpoints()) == 2
    return job


@pytest.mark.fault(26)
@pytest.mark.parametrize("way", ways())
def test_a_killed_training_ends_with_the_same_bytes(prepared: Path, tmp_path: Path, way: str) -> None:
    whole, killed = (job_of(prepared, tmp_path / name, ways()[way]) for name in ("whole", "killed"))
    run_to_end(whole)
    update = 28 if way == "adalora" else 7  # there: when the ranks are settled
    if way == "frozen layers, kept":
        assert ended(start(killed, at_update=1)) == -signal.SIGKILL  # before there is a checkpoint
        assert not killed.checkpoints()
    assert ended(start(killed, at_update=update)) == -signal.SIGKILL
    run_to_end(killed)
    assert f"goes on from update {update - 1} of" in killed.said()
    assert killed.result() == whole.result()
    assert not killed.checkpoints()


@pytest.mark.fault(27)
@pytest.mark.parametrize("place", [0, 3, 6, 8, 10])
def test_killed_inside_the_write_of_a_checkpoint(prepared: Path, whole: Job, tmp_path: Path, place: int) -> None:
    """Of the third one, for which the first is removed."""
    job = job_of(prepared, tmp_path / "job", ways()[WAY])
    assert ended(start(job, at_write=(3, place))) == -signal.SIGKILL
    assert job.checkpoints()
    run_to_end(job)
    assert "goes on from update" in job.said()
    assert job.result() == whole.result()


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a flipped bit": lambda folder: _flip(folder / "optimizer.safetensors"),
    "cut": lambda folder: _cut(folder / "weights.safetensors"),
    "a missing file": lambda folder: (folder / "state.json").unlink(),
    "an extra file": lambda folder: (folder / "more").write_text("x", encoding="utf-8"),
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
}


@pytest.mark.fault(29)
@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_checkpoint_the_one_before_is_used(killed: Job, whole: Job, damage: str) -> None:
    newest = killed.checkpoints()[-1]
    DAMAGES[damage](newest)
    run_to_end(killed)
    assert killed.said().count("is damaged and set aside") == 1
    assert "goes on from update 6 of" in killed.said()
    assert killed.result() == whole.result()


@pytest.mark.fault(30)
def test_when_all_are_damaged_nothing_begins_anew(killed: Job) -> None:
    one, other = killed.checkpoints()
    _flip(one / "weights.safetensors")
    (other / MANIFEST).unlink()
    for damaged in (one, other):
        assert ended(start(killed)) == 1
        assert "MachineError" in killed.said()
        assert "every checkpoint of the training that was broken off is damaged" in killed.said()
        assert not killed.out.exists()
        (damaged / MANIFEST).unlink(missing_ok=True)
    assert one.is_dir() and other.is_dir()


@pytest.mark.fault(31)
def test_other_parameters_or_code_begin_anew_and_are_named(killed: Job, prepared: Path, tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("one", encoding="utf-8")
    set_params(killed.folder, {"train.epochs": 2})
    changed = replace(killed, code=(str(code),))
    run_to_end(changed)
    assert f"begins anew: since it was broken off there have changed: train.epochs 3, now 2; {code}" in changed.said()
    assert "goes on from" not in changed.said()


@pytest.mark.fault(31)
def test_other_data_begin_anew_and_are_named(prepared: Path, tmp_path: Path) -> None:
    data = tmp_path / "augment"
    shutil.copytree(prepared / "augment", data)
    job = replace(job_of(prepared, tmp_path / "job", ways()[WAY]), inputs=[data, prepared / "pretrain"])
    assert ended(start(job, at_update=8)) == -signal.SIGKILL
    with published(data) as staging:
        shutil.copytree(prepared / "augment", staging, dirs_exist_ok=True)
        (staging / MANIFEST).unlink()
        rows = parquet.read_table(staging / "train.parquet")
        parquet.write_table(rows.slice(1), staging / "train.parquet")
    run_to_end(job)
    assert f"begins anew: since it was broken off there have changed: {data}\n" in job.said()


def test_another_machine_is_said(killed: Job, whole: Job) -> None:
    (known,) = killed.folder.glob(f".temper/checkpoints/*/*/{IDENTITY}")
    identity = json.loads(known.read_text(encoding="utf-8"))
    identity["machine"]["CPU"] = "another"
    known.write_text(json.dumps(identity), encoding="utf-8")
    run_to_end(killed)
    assert "goes on on another machine (CPU another, now" in killed.said()
    assert killed.result() == whole.result()


@pytest.mark.fault(33)
def test_two_at_once_have_checkpoints_of_their_own(killed: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(killed.folder)
    stage = Stage("train", "", (), killed.out, frozenset(), ("seed", "task", "train"))
    one, other = (Keeper(stage, killed.inputs, load_params(Path("params.yaml"))) for _ in range(2))
    assert one.open().newest() is not None
    assert other.open().newest() is None
    one.close(is_needed=True)
    other.close(is_needed=False)
    assert len(killed.checkpoints()) == 2


@pytest.mark.fault(26)
def test_translations_of_a_killed_augment_are_used_again(prepared: Path, tmp_path: Path) -> None:
    way = ("augment", {"augment.back_translation.copies": 1})
    whole, killed = (job_of(prepared, tmp_path / name, way) for name in ("whole", "killed"))
    run_to_end(whole)
    process = start(killed)
    cache = killed.folder / ".temper"
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size > 20000 for file in cache.rglob("translations.sqlite")):
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.01)
    process.kill()
    assert ended(process) == -signal.SIGKILL
    run_to_end(killed)
    assert killed.result() == whole.result()
