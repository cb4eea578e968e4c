"""Bundles, word lists, parameters, sources and states that would run code or read elsewhere."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from stages.shared.publish import write_manifest
from tests.torture import payloads
from tests.torture.model_artefacts import ERROR, IGNORED, Change, told


def _resealed(change: Change) -> Change:
    """A change that the manifest goes along with, as whoever sends a bundle can write it too."""

    def both(folder: Path, canary: Path) -> None:
        change(folder, canary)
        write_manifest(folder)

    return both


def _file(name: str, kind: str) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(payloads.PICKLES[kind](canary))

    return _resealed(change)


def _external(location: str) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder.parent / "secret.bin").write_bytes(b"\0\0\x80\x3f" * 2)
        place = location.replace("ROOT", str(folder.parent))
        (folder / "model.onnx").write_bytes(payloads.onnx_model(place))

    return _resealed(change)


def _external_link(make: Any) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder.parent / "secret.bin").write_bytes(b"\0\0\x80\x3f" * 2)
        (folder / "model.onnx").write_bytes(payloads.onnx_model("weights.npy"))
        write_manifest(folder)
        make(folder.parent / "secret.bin", folder / "weights.npy")

    return change


def _linked(name: str) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder / name).rename(folder.parent / f"outside-{name}")
        (folder / name).symlink_to(folder.parent / f"outside-{name}")

    return change


def _settings(**values: Any) -> Change:
    return _resealed(lambda folder, canary: told(folder, "settings.json", **values))


def _custom(folder: Path, canary: Path) -> None:
    (folder / "model.onnx").write_bytes(payloads.onnx_model(None, "evil"))


def _ctranslate2(folder: Path, canary: Path) -> None:
    """A writing model whose weights are a pickle."""
    (folder / "model.onnx").unlink()
    (folder / "model").mkdir()
    (folder / "model/model.bin").write_bytes(payloads.pickled(canary))
    (folder / "model/config.json").write_text("{}", encoding="utf-8")
    (folder / "model/shared_vocabulary.json").write_text('["a"]', encoding="utf-8")
    writes = {"kind": "seq2seq", "beams": 1, "max_new_tokens": 4, "length_penalty": 1.0, "no_repeat_ngram": 0}
    told(folder, "settings.json", model="model", answers="text", writes={**writes, "ends": [1], "never": []}, extras=[])
    for name in ("index.npy", "candidates.json"):
        (folder / name).unlink()


BUNDLE: dict[str, tuple[Change, str]] = {
    **{f"{kind} named index.npy": (_file("index.npy", kind), ERROR) for kind in payloads.PICKLES},
    "pickle named model.onnx": (_file("model.onnx", "pickle"), ERROR),
    "pickle named tokenizer.json": (_file("tokenizer.json", "pickle"), ERROR),
    "pickle named settings.json": (_file("settings.json", "pickle"), ERROR),
    **{
        f"in the manifest: {name}": (_file(name, "torch"), ERROR)
        for name in (
            "model.pkl",
            "model.pt",
            "custom_ops.so",
            "evil.py",
            "model/evil.py",
            "model.onnx.data",
            "more.npz",
        )
    },
    "ONNX weights by ..": (_external("../secret.bin"), ERROR),
    "ONNX weights by more ..": (_external("model/../../secret.bin"), ERROR),
    "ONNX weights by an absolute path": (_external("ROOT/secret.bin"), ERROR),
    "ONNX weights by a link": (_external_link(lambda secret, file: file.symlink_to(secret)), ERROR),
    "ONNX weights by a hard link": (_external_link(os.link), ERROR),
    "ONNX operator of a library": (_resealed(_custom), ERROR),
    "a model that is a link": (_linked("model.onnx"), ERROR),
    "settings that are a link": (_linked("settings.json"), ERROR),
    "settings: model above": (_settings(model="../secret.onnx"), ERROR),
    "settings: model at the root": (_settings(model="/etc/passwd"), ERROR),
    "settings: extras above": (_settings(extras=["../secret.npy"]), ERROR),
    "settings: answers by code": (_settings(answers="os.system"), ERROR),
    "settings: answers by a path": (_settings(answers="../../evil"), ERROR),
    "CTranslate2 weights that are a pickle": (_resealed(_ctranslate2), ERROR),
}


def _wordnet_file(name: str, kind: str) -> Change:
    return lambda folder, canary: (folder / name).write_bytes(payloads.PICKLES[kind](canary))


def _device(folder: Path, canary: Path) -> None:
    (folder / "cntlist.rev").unlink()
    os.mkfifo(folder / "cntlist.rev")


def _wordnet_beside(folder: Path, canary: Path) -> None:
    (folder / "wordnet.pkl").write_bytes(payloads.pickled(canary))
    (folder / "__init__.py").write_text(payloads.code(canary), encoding="utf-8")


WORDNET: dict[str, tuple[Change, str]] = {
    "pickle beside": (_wordnet_beside, IGNORED),
    "pickle named index.noun": (_wordnet_file("index.noun", "pickle"), ERROR),
    "pickle named cntlist.rev": (_wordnet_file("cntlist.rev", "joblib"), ERROR),
    "pickle named noun.exc": (_wordnet_file("noun.exc", "torch"), ERROR),
    "pickle named data.adj": (_wordnet_file("data.adj", "pickle"), ERROR),
    "a pipe named cntlist.rev": (_device, ERROR),
}


def _yaml(text: str) -> Change:
    return lambda folder, canary: (folder / "params.yaml").write_text(
        text.format(canary=canary, code=payloads.code(canary)), encoding="utf-8"
    )


PARAMS: dict[str, tuple[Change, str]] = {
    **{f"YAML tag: {name}": (_yaml(text), ERROR) for name, text in payloads.YAML.items()},
    "a pickle": (lambda folder, canary: (folder / "params.yaml").write_bytes(payloads.pickled(canary)), ERROR),
}


def _source(name: str) -> Change:
    return lambda folder, canary: (folder / name).write_bytes(payloads.SOURCES[name](canary))


SOURCE: dict[str, tuple[Change, str]] = {
    name: (_source(name), IGNORED if name in ("rows.parquet", "rows.jsonl") else ERROR) for name in payloads.SOURCES
}


def _hub_script(folder: Path, canary: Path) -> None:
    for name in (f"{folder.name}.py", "loading.py", "__init__.py"):
        (folder / name).write_text(payloads.code(canary), encoding="utf-8")


def _only(name: str, content: Any) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder / "train.csv").unlink()
        (folder / name).write_bytes(content(canary))

    return change


def _card(text: str) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder.parent / "secret.csv").write_text("text,label\nsecret,pos\n", encoding="utf-8")
        (folder / "README.md").write_text(f"---\n{text.format(canary=canary)}\n---\n", encoding="utf-8")

    return change


HUB: dict[str, tuple[Change, str]] = {
    "script beside": (_hub_script, ERROR),
    "pickle alone": (_only("train.pkl", payloads.pickled), ERROR),
    "arrays alone": (_only("train.npz", payloads.arrays_file), ERROR),
    "tar with links and pickles": (_only("train.tar", payloads.tar_file), ERROR),
    "zip that leads up": (_only("train.zip", payloads.zip_file), ERROR),
    "YAML tag in the card": (_card("configs: !!python/object/apply:os.system ['touch {canary}']"), ERROR),
    "card that leads to another server": (
        _card("configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: http://127.0.0.1:9/x.csv"),
        ERROR,
    ),
    "card that leads above": (
        _card("configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: ../secret.csv"),
        ERROR,
    ),
}


def _state(folder: Path, canary: Path) -> None:
    for kind, name in (("timings", "train.json"), ("receipts/session", "train.json")):
        (folder / ".temper" / kind).mkdir(parents=True)
        (folder / ".temper" / kind / name).write_bytes(payloads.pickled(canary))


def _cache_is_a_pickle(folder: Path, canary: Path) -> None:
    (folder / ".temper/translations").mkdir(parents=True)
    (folder / ".temper/translations/translations.sqlite").write_bytes(payloads.pickled(canary))


def _pickle_in_the_cache(folder: Path, canary: Path) -> None:
    (folder / ".temper/translations").mkdir(parents=True)
    with sqlite3.connect(folder / ".temper/translations/translations.sqlite") as connection:
        connection.execute("CREATE TABLE translations (key BLOB PRIMARY KEY, text TEXT, digest BLOB) WITHOUT ROWID")
        row = (b"key", payloads.pickled(canary), payloads.pickled(canary))
        connection.execute("INSERT INTO translations VALUES (?, ?, ?)", row)
    connection.close()


def _times_of_another(folder: Path, canary: Path) -> None:
    (folder / ".temper/timings").mkdir(parents=True)
    (folder / ".temper/timings/train.json").write_text(json.dumps({"py/object": "os.system"}), encoding="utf-8")


STATE: dict[str, tuple[Change, str]] = {
    "pickles named receipts and times": (_state, IGNORED),
    "times of another": (_times_of_another, IGNORED),
    "pickle named translations": (_cache_is_a_pickle, IGNORED),
    "pickles in the translations": (_pickle_in_the_cache, IGNORED),
}


def _in_a_checkpoint(change: Change, is_resealed: bool = True) -> Change:
    def both(folder: Path, canary: Path) -> None:
        change(folder / "000001", canary)
        if is_resealed:
            write_manifest(folder / "000001")

    return both


def _weights(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").write_bytes(payloads.torch_file(canary))


def _training_state(folder: Path, canary: Path) -> None:
    (folder / "optimizer.pt").write_bytes(payloads.torch_file(canary))


CHECKPOINT: dict[str, tuple[Change, str]] = {
    "pickle named model.safetensors": (_in_a_checkpoint(_weights, is_resealed=False), ERROR),
    "pickle named model.safetensors, in the manifest": (_in_a_checkpoint(_weights), ERROR),
    "pickle beside, in the manifest": (_in_a_checkpoint(_training_state), IGNORED),
    "state of another kind": (
        _in_a_checkpoint(lambda folder, canary: told(folder, "state.json", model={"py/object": "os.system"})),
        ERROR,
    ),
    "state too deep": (
        _in_a_checkpoint(lambda folder, canary: (folder / "state.json").write_text("[" * 100_000, encoding="utf-8")),
        ERROR,
    ),
    "weights that are a link": (_in_a_checkpoint(_linked("model.safetensors"), is_resealed=False), ERROR),
}
