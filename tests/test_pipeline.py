"""All stages in order on a few rows, as function calls; a second run gives the same bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.perform import perform
from serving.predict import main as predict
from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.shared.pipeline import read_stages
from stages.shared.publish import check_manifest
from tests.conftest import ROOT, sample_texts
from tests.real.project import SMALL
from tests.recipes import inputs_of

ROWS = 60


def run_all(folder: Path, params: Params, source: Path) -> dict[str, Outcome]:
    """Run every stage with its outputs below `folder`, as dvc.yaml wires them."""
    outcomes = {}
    for stage in read_stages(ROOT / "dvc.yaml"):
        outcomes[stage.name] = perform(stage.name, [*inputs_of(stage, folder, source), folder / stage.name], params)
    return outcomes


@pytest.fixture(scope="module")
def params(make_params: Callable[..., Params], source: Path) -> Params:
    small = {key: value for key, value in SMALL.items() if not key.startswith("pretrain")}
    return make_params(small | {"ingest.source.path": str(source)})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import csv

    file = tmp_path_factory.mktemp("source") / "reviews.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("text", "label"), *sample_texts(ROWS)])
    return file


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, params: Params, source: Path) -> tuple[Path, dict[str, Outcome]]:
    folder = tmp_path_factory.mktemp("pipeline")
    return folder, run_all(folder, params, source)


def test_every_stage_publishes_a_whole_folder(finished: tuple[Path, dict[str, Outcome]]) -> None:
    folder, outcomes = finished
    for name, outcome in outcomes.items():
        check_manifest(folder / name)
        assert outcome.summary
        assert outcome.metrics


def test_rows_are_accounted_for(finished: tuple[Path, dict[str, Outcome]]) -> None:
    folder, outcomes = finished
    assert outcomes["ingest"].metrics["rows.read"] == ROWS
    kept = sum(outcomes["ingest"].metrics[f"rows.{split}"] for split in ("train", "validation", "test"))
    rejected = len((folder / "ingest/rejected.jsonl").read_text(encoding="utf-8").splitlines())
    assert kept + rejected == ROWS


def test_the_bundle_answers(finished: tuple[Path, dict[str, Outcome]], capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(["--bundle", str(finished[0] / "package/bundle"), "It came a day late."]) == 0
    assert '"label"' in capsys.readouterr().out


def test_a_damaged_input_is_found_before_the_stage_begins(
    finished: tuple[Path, dict[str, Outcome]], tmp_path: Path, params: Params
) -> None:
    import shutil

    shutil.copytree(finished[0] / "ingest", tmp_path / "ingest")
    (tmp_path / "ingest/train.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"train\.parquet: has 4 bytes, not the \d+ that were written"):
        perform("validate", [tmp_path / "ingest", tmp_path / "validate"], params)
    assert not (tmp_path / "validate").exists()


def test_a_missing_input_and_a_wrong_number_of_folders_are_errors(tmp_path: Path, params: Params) -> None:
    with pytest.raises(MachineError, match="no such file"):
        perform("ingest", [tmp_path / "none.csv", tmp_path / "ingest"], params)
    with pytest.raises(ParamsError, match="takes 2 paths"):
        perform("ingest", [tmp_path / "none.csv"], params)
