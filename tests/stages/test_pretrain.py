"""The pretrain stage: find, check and pin the base."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.written import sha256_of
from stages.pretrain import pretrain
from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.params import Params


def test_the_base_is_pinned_by_its_hash_and_not_copied(
    tmp_path: Path, tiny_base: Path, make_params: Callable[..., Params]
) -> None:
    outcome = pretrain(tmp_path, tmp_path, make_params())
    sha256 = sha256_of(tiny_base / "model.safetensors")
    assert outcome.tags["base_sha256"] == sha256
    assert json.loads((tmp_path / "base.json").read_text())["sha256"] == sha256
    assert [path.name for path in tmp_path.iterdir()] == ["base.json"]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"pretrain.sha256": "0" * 64}, DataError, "pretrain.sha256 asks for"),
        ({"pretrain.base": "package:no_such_package/model"}, MachineError, "'no_such_package' is not installed"),
        ({"pretrain.base": "./nowhere"}, MachineError, "no folder './nowhere'"),
        ({"pretrain.base": "owner/name"}, ParamsError, "needs the 40-digit commit"),
    ],
)
def test_a_base_that_is_missing_or_another_is_refused(
    tmp_path: Path, make_params: Callable[..., Params], values: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        pretrain(tmp_path, tmp_path, make_params(values))
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path, make_params: Callable[..., Params]) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MachineError, match=r"no model\.safetensors and no config\.json"):
        pretrain(tmp_path, tmp_path, make_params({"pretrain.base": str(tmp_path / "base")}))
