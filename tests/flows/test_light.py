"""What is dear to import is imported by the stages alone that compute with it, and by no command that only helps."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.real.project import Project, clean_environment, make_project

CHEAP = ["ingest", "augment", "pretrain", "distill", "package"]  # as far as nothing is learnt in them
DEAR = {"torch", "transformers", "datasets", "great_expectations", "prefect", "mlflow"}
OF_STAGES = DEAR - {"datasets"}  # in which all examples are read and written
LOADED = f"""
import sys
from flows.perform import stage_function
for name in sys.argv[1:]:
    stage_function(name)
print(sorted({OF_STAGES} & sys.modules.keys()))
"""
RUN = f"""
import runpy, sys
name, *sys.argv[1:] = sys.argv[1:]
try:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print()
print(sorted({DEAR} & sys.modules.keys()))
"""  # the recording process, which imports mlflow, never comes to the last lines
CHECKED = """
import sys
from flows.preflight import check_before_anything_runs
check_before_anything_runs()
print("torch" in sys.modules)
"""
COMMANDS = ["flows.stage", "flows.finetune", "flows.search", "serving.predict"]
STAGES = {
    "ingest": ["reviews.csv", "data/ingest"],
    "validate": ["data/ingest", "data/validate"],
    "augment": ["data/validate", "data/augment"],
}


def printed_last(code: str, *words: str, folder: Path = ROOT) -> str:
    """The last line that a process of its own prints."""
    command = [sys.executable, "-c", code, *words]
    environment = clean_environment(folder.parent)  # tests before may have named a store of theirs
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(("stages", "expected"), [(CHEAP, []), (["validate"], ["great_expectations"])])
def test_a_stage_imports_what_it_needs(stages: list[str], expected: list[str]) -> None:
    assert printed_last(LOADED, *stages) == str(expected)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_dear(command: str) -> None:
    assert printed_last(RUN, command, "--help") == "[]"


@pytest.fixture(scope="module")
def small_project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Project:
    return make_project(tmp_path_factory.mktemp("light") / "project", tiny_base, 60)


def test_texts_come_to_training_without_torch(small_project: Project) -> None:
    """Also not to count tokens; and MLflow is the business of the recording process."""
    found = {
        name: printed_last(RUN, "flows.stage", name, *folders, folder=small_project.root)
        for name, folders in STAGES.items()
    }
    expected = {name: ["datasets"] for name in STAGES} | {"validate": ["datasets", "great_expectations"]}
    assert found == {name: str(modules) for name, modules in expected.items()}
    assert [run.info.status for run in small_project.runs()] == ["FINISHED"] * 2 * len(STAGES)


def test_an_architecture_that_was_found_right_is_not_looked_at_again(small_project: Project) -> None:
    folder = small_project.root
    assert [printed_last(CHECKED, folder=folder) for _ in range(2)] == ["True", "False"]
    small_project.set_params({"seed": 5})
    assert [printed_last(CHECKED, folder=folder) for _ in range(2)] == ["True", "False"]
    config = folder / "tiny/config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"bert"', '"of its own"'), encoding="utf-8")
    with pytest.raises(AssertionError, match="of its own"):
        printed_last(CHECKED, folder=folder)
