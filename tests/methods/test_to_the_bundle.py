"""What cannot be merged, and several models that answer as one, go through every stage to an answer."""

from pathlib import Path
from typing import Any

import pytest

from tests import recipes

LEFT_IN: dict[str, tuple[str, dict[str, Any]]] = {  # recipe, and what of `train` is different
    "adapter, tokens": ("ner", {"train.method": {"name": "adapter", "size": 4}}),
    "prefix": ("sentiment", {"train.method": {"name": "prefix", "tokens": 3}}),
    "head": ("sentiment", {"train.method": {"name": "head", "penalties": [1.0]}}),
    "probabilities": ("sentiment", {"train.ensemble": {"members": 2, "by": "seeds", "join": "probabilities"}}),
}


FIRST = ("ingest", "validate", "augment", "pretrain")  # what the cases of a recipe share


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name, _ in LEFT_IN.values()}
    for name, folder in folders.items():
        recipes.run(name, folder, lambda stage: stage in FIRST)
    return folders


@pytest.mark.parametrize("case", LEFT_IN)
def test_it_is_exported_as_it_is_and_its_bundle_answers(case: str, begun: dict[str, Path], tmp_path: Path) -> None:
    name, values = LEFT_IN[case]
    values = values | {"quantize.limits.max_logit_difference": 1.0e-4}
    ran = recipes.run(name, tmp_path, lambda stage: stage not in FIRST, values, begun[name])
    assert ran.outcomes["quantize"].metrics["size_ratio"] < 0.6
    assert all(said == evaluated for said, evaluated in recipes.answers_of(ran, 10))
