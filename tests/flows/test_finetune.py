"""What a stage's receipt means once its process is gone, and the text at the end of a run."""

from pathlib import Path

import pytest

from flows.pipeline import KILLED, settled
from flows.summary import exit_code, stage_states
from stages.shared.pipeline import Stage
from stages.shared.workspace import write_receipt

RAN = {"state": "ran", "exit_code": 0, "message": "done"}
REFUSED = {"state": "failed", "exit_code": 5, "message": "limit 1, observed 2"}


def test_no_receipt_and_no_error_means_that_nothing_had_to_run() -> None:
    assert settled(0, None, "Stage 'train' didn't change, skipping") is None


@pytest.mark.parametrize("receipt", [RAN, REFUSED])
def test_a_receipt_counts_as_it_was_written(receipt: dict[str, object]) -> None:
    assert settled(int(receipt is REFUSED), receipt, "") == receipt


def test_a_stage_that_could_not_finish_was_killed() -> None:
    receipt = settled(255, {"state": "running"}, "")
    assert receipt is not None
    assert receipt["exit_code"] == KILLED


def test_a_stage_that_never_began_is_no_cached_one() -> None:
    receipt = settled(255, None, "ERROR: missing data 'source': a.csv")
    assert receipt is not None
    assert receipt["state"] == "failed"
    assert "missing data 'source': a.csv" in receipt["message"]


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    monkeypatch.chdir(tmp_path)
    names = ["ingest", "validate", "train", "package"]
    made = [Stage(name, "", (), Path("data") / name, frozenset(names[:place])) for place, name in enumerate(names)]
    for name in ("ingest", "validate"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / f"data/{name}/summary.txt").write_text("as before\n", encoding="utf-8")
    return made


def test_the_states_of_a_run_come_from_its_receipts(stages: list[Stage]) -> None:
    write_receipt("s", "validate", RAN)
    write_receipt("s", "train", REFUSED)
    assert stage_states("s", stages) == {
        "ingest": ("Cached", "as before"),
        "validate": ("Completed", "done"),
        "train": ("Failed", "limit 1, observed 2"),
        "package": ("Skipped", "after train"),
    }
    assert exit_code("s", stages) == 5


def test_without_a_failure_the_exit_code_is_0(stages: list[Stage]) -> None:
    write_receipt("s", "ingest", RAN)
    assert exit_code("s", stages) == 0
