"""Bundles made by hand: the model looks each token up in a table, so that what it says is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from serving.bundle import FORMAT
from stages.shared.publish import write_json, write_manifest
from tests.serving.small import PLAIN, settings


def _write_model(file: Path, table: np.ndarray, is_pooled: bool) -> None:
    """A model (batch, tokens) -> (batch, tokens, outputs), or (batch, outputs), their mean."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"], axis=0)]
    last = "rows"
    if is_pooled:
        nodes.append(helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], keepdims=0))
        last = "mean"
    shape: list[Any] = ["batch", len(table[0])] if is_pooled else ["batch", "tokens", len(table[0])]
    graph = helper.make_graph(
        nodes,
        "lookup",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), file)


def write_bundle(
    folder: Path,
    table: Mapping[str, list[float]],
    answering: Mapping[str, Any],
    extras: Mapping[str, Any] | None = None,
) -> Path:
    """Write a bundle; give its folder.

    Args:
        folder: to be made.
        table: the outputs for tokens, by their words, in lower case; every other token gives zeros.
        answering: its settings, beside how texts are read; those of `label` and `search` look at the whole text.
        extras: arrays, written as .npy, and other values, as .json.
    """
    folder.mkdir()
    rows = np.zeros((PLAIN.get_vocab_size(), len(next(iter(table.values())))), dtype=np.float32)
    for word, row in table.items():
        rows[PLAIN.token_to_id(word)] = row
    _write_model(folder / "model.onnx", rows, is_pooled=answering["answers"] not in ("spans", "extract"))
    PLAIN.save(str(folder / "tokenizer.json"))
    names = []
    for name, value in (extras or {}).items():
        names.append(f"{name}.npy" if isinstance(value, np.ndarray) else f"{name}.json")
        if isinstance(value, np.ndarray):
            np.save(folder / names[-1], value)
        else:
            write_json(folder / names[-1], value)
    given = {"format": FORMAT, "task": "by hand", "model": "model.onnx", "extras": names, **settings(99), **answering}
    write_json(folder / "settings.json", given)
    write_manifest(folder)
    return folder
