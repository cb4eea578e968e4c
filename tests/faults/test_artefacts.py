"""Artefacts that would run code, or lead elsewhere, through the loaders: one error, or no notice is taken of them."""

import shutil
from pathlib import Path

import pytest

from stages.shared.base_model import find_base
from stages.shared.errors import MachineError
from stages.shared.model_files import config_of, data_alone, plain_config
from stages.shared.params import Base
from tests.torture.artefacts import KINDS, payload_runs, verdicts
from tests.torture.model_artefacts import told

SOME = {
    "base models": (
        "pickles beside the weights",
        "torch named safetensors",
        "auto_map and its script",
        "auto_map, unknown architecture",
        "kernels of a hub",
        "adapter of another base",
        "vocabulary elsewhere",
        "scripts named as libraries",
        "link: model.safetensors",
        "config.json too deep",
    ),
    "trained models": ("pickle named head.safetensors", "pickle named added.safetensors", "head of another class"),
    "Marian models": ("pickles beside the weights", "torch named safetensors", "kernels of a hub", "link: source.spm"),
}


def test_the_payload_runs_where_it_is_unpickled_and_is_seen(tmp_path: Path) -> None:
    assert payload_runs(tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "before anything" not in kind])
def test_no_artefact_runs_code(tmp_path: Path, kind: str) -> None:
    cases = KINDS[kind][2]
    found = verdicts(tmp_path, kind, {name: cases[name] for name in SOME.get(kind, cases)})
    assert not [verdict for verdict in found if not verdict.is_held]
    for verdict in found:
        if verdict.error:
            assert "Traceback" not in verdict.message
            assert len(verdict.message) > 20


def test_of_a_models_settings_those_are_kept_that_its_architecture_has(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    before = plain_config(folder)
    told(folder, "config.json", _attn_implementation_internal="o/evil", auto_map={"AutoModel": "a.B"}, evil=1)
    assert plain_config(folder) == before
    assert before["hidden_size"] == config_of(folder).hidden_size == 32


def test_of_a_model_inside_a_model_too(tmp_path: Path) -> None:
    inner = {"model_type": "clip_text_model", "hidden_size": 64, "_attn_implementation_internal": "o/evil", "evil": 1}
    told(tmp_path, "config.json", model_type="clip", text_config=inner, vision_config={"auto_map": {}})
    assert plain_config(tmp_path) == {
        "model_type": "clip",
        "text_config": {"model_type": "clip_text_model", "hidden_size": 64},
        "vision_config": {},
    }


def test_that_a_base_brings_code_of_its_own_is_told(
    tiny_base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    told(folder, "config.json", auto_map={"AutoModel": "modeling.Own"})
    find_base(Base(base=str(folder), revision=None, sha256=None))
    assert "its own code is not run" in caplog.text


def test_loaders_of_others_see_data_alone(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    for name in ("modeling.py", "pytorch_model.bin", "adapter_config.json", "model-00001-of-00002.safetensors"):
        (folder / name).write_text("{}", encoding="utf-8")
    with data_alone(folder) as plain:
        names = {path.name for path in plain.iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert not plain.exists()


def test_a_snapshot_of_the_hubs_cache_may_link_to_its_blobs(tiny_base: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots/0123"
    shutil.copytree(tiny_base, blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    wanted = Base(base=str(snapshot), revision=None, sha256=None)
    assert find_base(wanted).folder == snapshot
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to("/etc/hostname")
    with pytest.raises(MachineError, match=r"config\.json: a link that leads out"):
        find_base(wanted)
