"""Several members, joined as a soup of their weights or by the mean of their probabilities."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.pretrain import pretrain
from stages.shared.averaged import joined_logits
from stages.shared.errors import ParamsError
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.tasks import task_of
from stages.train import train
from stages.train.check import check_train
from stages.train.ensemble import without_fold
from tests import recipes
from tests.training import QUICK, data_of, model_of, write_augmented

MakeParams = Callable[..., Params]
Train = Callable[[dict[str, Any], str], tuple[Outcome, Path, Params]]


@pytest.fixture
def trained(tmp_path: Path, make_params: MakeParams) -> Train:
    """Trains with other dotted keys into a folder: trained({"train.ensemble": ...}, "soup")."""
    augmented, base = tmp_path / "augmented", tmp_path / "base"
    augmented.mkdir()
    base.mkdir()
    pretrain(write_augmented(augmented), base, make_params())

    def run(values: dict[str, Any], name: str) -> tuple[Outcome, Path, Params]:
        params, out = make_params(QUICK | values), tmp_path / name
        out.mkdir()
        return train(augmented, base, out, params), out, params

    return run


def members_of(outcome: Outcome) -> list[float]:
    return [value for name, value in outcome.metrics.items() if name.startswith("member_")]


@pytest.mark.parametrize("by", ["seeds", "folds"])
def test_a_soup_is_no_worse_than_its_best_member_on_validation(trained: Train, by: str) -> None:
    outcome, out, params = trained({"train.ensemble": {"members": 3, "by": by, "join": "soup"}}, "soup")
    found = members_of(outcome)
    assert len(found) == 3
    assert outcome.metrics["validation.macro_f1"] >= max(found)
    assert 1 <= outcome.metrics["members_used"] <= 3
    assert f"members {'1' if outcome.metrics['members_used'] == 3 else ''}" in outcome.summary
    assert all((out / f"members/{number}/plots/loss.csv").is_file() for number in (1, 2, 3))
    assert (out / "plots/validation.csv").is_file()
    assert model_of(out / "model", params).config.model_type == "bert"


def test_members_differ_and_the_first_is_the_one_without_an_ensemble(trained: Train) -> None:
    alone, _, _ = trained({}, "alone")
    ensemble = {"members": 3, "by": "seeds", "join": "probabilities"}
    outcome, out, _ = trained({"train.ensemble": ensemble}, "both")
    assert members_of(outcome)[0] == alone.metrics["validation.macro_f1"]
    curves = [(out / f"members/{number}/plots/loss.csv").read_text() for number in (1, 2, 3)]
    assert len(set(curves)) == 3


def test_averaged_members_say_the_mean_of_their_probabilities(trained: Train) -> None:
    ensemble = {"members": 2, "by": "seeds", "join": "probabilities"}
    _, out, params = trained({"train.ensemble": ensemble}, "both")
    assert json.loads((out / "model/members.json").read_text()) == {"kind": "softmax", "members": 2}
    inputs = {"input_ids": torch.tensor([[2, 9, 8, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with torch.no_grad():
        both = model_of(out / "model", params).eval()(**inputs).logits.softmax(-1)
        each = [model_of(out / f"model/member_{n}", params).eval()(**inputs).logits.softmax(-1) for n in (1, 2)]
    assert torch.allclose(both, (each[0] + each[1]) / 2, atol=1e-6)


def test_the_mean_of_odds_is_that_of_probabilities() -> None:
    said = torch.tensor([[[0.0, 3.0]], [[2.0, -1.0]]])
    assert torch.allclose(joined_logits(said, "sigmoid").sigmoid(), said.sigmoid().mean(0))
    assert torch.allclose(joined_logits(said, "softmax").softmax(-1), said.softmax(-1).mean(0))


def test_each_fold_is_without_other_rows_and_copies_go_with_theirs(
    tmp_path: Path, tiny_base: Path, make_params: MakeParams
) -> None:
    data = data_of(write_augmented(tmp_path), make_params(), tiny_base)
    rows = list(data.train_rows)
    rows[1] = {**rows[1], "parent": rows[0]["id"]}
    data = type(data)(**{**vars(data), "train_rows": rows})
    left = [{item.example for item in without_fold(data, fold, 3, seed=5).train} for fold in range(3)]
    missing = [set(range(45)) - kept for kept in left]
    assert sorted(place for fold in missing for place in fold) == list(range(45))
    assert [fold for fold in missing if 0 in fold] == [fold for fold in missing if 1 in fold]


def test_what_has_no_probabilities_is_joined_as_a_soup(tmp_path: Path) -> None:
    ensemble = {"train.ensemble": {"members": 2, "by": "seeds", "join": "probabilities"}}
    params = recipes.small_params("qa", tmp_path, ensemble)
    with pytest.raises(ParamsError, match="The nearest that works is join: soup"):
        check_train(task_of(params.task), params)
