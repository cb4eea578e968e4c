"""What is dear to import is imported by the stages alone that compute with it."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

CHEAP = ["ingest", "augment", "pretrain", "distill", "package"]  # as far as nothing is learnt in them
LOADED = """
import sys
from flows.perform import stage_function
for name in sys.argv[1:]:
    stage_function(name)
print(sorted({"torch", "transformers", "great_expectations", "prefect", "mlflow"} & sys.modules.keys()))
"""


def loaded_by(*stages: str) -> str:
    words = [sys.executable, "-c", LOADED, *stages]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("stages", "expected"), [(CHEAP, []), (["validate"], ["great_expectations"])])
def test_a_stage_imports_what_it_needs(stages: list[str], expected: list[str]) -> None:
    assert loaded_by(*stages) == str(expected)
