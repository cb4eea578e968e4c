"""A disk that is full, closed, or dies with its process in the middle of a publication: the last good output stays."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.preflight import check_before_anything_runs
from flows.recorded import exit_code_of
from stages.shared.disk import require_room
from stages.shared.errors import MachineError
from stages.shared.publish import write_json
from tests.conftest import ROOT
from tests.torture import disk


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.fault(35)
@pytest.mark.parametrize("writer", disk.WRITERS)
def test_a_full_disk_is_one_error_and_the_last_good_output_stays(folder: Path, writer: str) -> None:
    with disk.small_disk(folder / "small") as done:
        if not done:
            pytest.skip("this user may mount no file system")
        disk.write_good(folder / "small/out")
        assert disk.fails_well_when_full(folder / "small/out", disk.WRITERS[writer])


@pytest.mark.fault(35)
@pytest.mark.parametrize("writer", ["a file", "json", "numpy", "safetensors", "parquet", "a checkpoint"])
def test_so_is_a_limit_on_the_size_of_files(folder: Path, writer: str) -> None:
    disk.write_good(folder / "out")

    def action() -> None:
        disk.limit_files(1_000_000)
        assert disk.fails_well_when_full(folder / "out", disk.WRITERS[writer])

    assert disk.in_child(action) == (0, "")


@pytest.mark.fault(35)
def test_a_file_that_does_not_fit_leaves_the_one_that_was_there(folder: Path) -> None:
    write_json(folder / "state.json", {"a": 1})

    def action() -> None:
        disk.limit_files(1_000)
        write_json(folder / "state.json", {"a": "x" * 2_000})

    code, said = disk.in_child(action)
    assert code == MachineError.exit_code
    assert "needs 2,014 bytes, has 1,000 bytes" in said
    assert json.loads((folder / "state.json").read_text(encoding="utf-8")) == {"a": 1}
    assert [path.name for path in folder.iterdir()] == ["state.json"]


def test_what_is_known_not_to_fit_is_not_begun(tmp_path: Path) -> None:
    require_room(tmp_path / "out", 1)
    with pytest.raises(MachineError, match=r"needs 1,000,000,000,000\.0 MB, has"):
        require_room(tmp_path / "out", 10**18)


@pytest.mark.fault(35)
def test_a_full_disk_elsewhere_is_no_traceback() -> None:
    def action() -> None:
        raise OSError(28, os.strerror(28), "/somewhere/log")

    code, said = exit_code_of(action)  # type: ignore[arg-type]
    assert code == MachineError.exit_code
    assert "Traceback" not in said


@pytest.mark.fault(36)
def test_an_output_that_cannot_be_written_is_refused_at_the_start(folder: Path) -> None:
    found = list(disk.read_only(folder))
    assert {code for _, code, _ in found} == {MachineError.exit_code}
    assert all(str(folder) in said for _, _, said in found)
    assert len(found) >= 2


def test_a_kill_at_any_step_leaves_the_old_output_or_the_new(folder: Path) -> None:
    found = list(disk.killed_at_each_step(folder))
    assert all(is_good for is_good, _ in found)
    assert {word for _, word in found} == {"old", "new"}
    assert len(found) > 20


@pytest.mark.fault(36)
def test_every_output_is_tried_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/package").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MachineError, match="data/package: a file or a link, where a folder is to be written"):
        check_before_anything_runs()


@pytest.mark.fault(37)
def test_temporary_files_may_lie_on_another_file_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = disk.other_disk(folder)
    if other is None:
        pytest.skip("there is one file system")
    monkeypatch.setattr(tempfile, "tempdir", str(other))
    disk.write_good(folder / "out")
    assert disk.word_of(folder / "out") == "good"
