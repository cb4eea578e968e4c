"""The int8 quantizer on random models of 2 layers, 32 wide, of several architectures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from stages.quantizers import Quantized, Trained, _export, _norms, _samples, onnx_int8
from stages.quantizers._fusion import expected_fusions
from stages.quantizers.onnx_int8 import FLOAT_MODEL, SMALL_MODEL
from stages.shared.added import add_bottlenecks, add_vectors
from stages.shared.errors import MachineError

SHAPE = {
    "vocab_size": 200,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 48,
    "num_labels": 3,
}
MAX_TOKENS = 40
SETTINGS = {"max_tokens": MAX_TOKENS}
PARAMS = onnx_int8.Params(name="onnx_int8", per_channel=True, reduce_range=True)


def trained(model: PreTrainedModel) -> Trained:
    return Trained(model, Path("nowhere"), {"max_tokens": MAX_TOKENS})


def bert() -> PreTrainedModel:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**SHAPE))


def distilbert() -> PreTrainedModel:
    config = DistilBertConfig(
        vocab_size=200, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=48, num_labels=3
    )
    return DistilBertForSequenceClassification(config)


def roberta() -> PreTrainedModel:
    return RobertaForSequenceClassification(RobertaConfig(**SHAPE, type_vocab_size=1))


def modernbert() -> PreTrainedModel:
    special = {f"{name}_token_id": 0 for name in ("pad", "bos", "eos", "cls", "sep")}
    return ModernBertForSequenceClassification(ModernBertConfig(**SHAPE, **special))


class Undecided(BertForSequenceClassification):
    """Its way depends on the values that it is given: no graph can hold that."""

    def forward(self, input_ids: torch.Tensor, **others: torch.Tensor) -> object:
        if int(input_ids.sum()) % 2:
            return super().forward(input_ids, **others)
        return super().forward(input_ids)


def observed(found: Quantized) -> dict[str, int]:
    return {count.name: count.observed for count in found.counts}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Quantized]:
    out = tmp_path_factory.mktemp("bert")
    return out, onnx_int8.quantize(trained(bert()), out, PARAMS)


def test_a_bert_is_fused_and_quantised_whole(written: tuple[Path, Quantized]) -> None:
    assert observed(written[1]) == {
        "fused Attention": 2,
        "fused BiasGelu": 2,
        "fused SkipLayerNormalization": 4,
        "fused EmbedLayerNormalization": 1,
        "int8 attention": 2,
        "int8 matrix product": 8,  # 3 of each layer, and the head's 2
        "int8 embedding": 1,
        "matrix product left in float": 0,
    }
    assert all(count.observed == count.expected for count in written[1].counts)


@pytest.mark.parametrize("make", [bert, distilbert, roberta])
def test_norms_written_out_say_what_the_fused_ones_say(make: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    model = make().train(False)
    fused = onnx_int8.export_fused(model, SETTINGS)
    onnx.save(fused, tmp_path / "fused.onnx")
    assert _norms.write_out_norms(fused.graph) == 4  # 2 of each layer
    onnx.save(fused, tmp_path / "written_out.onnx")
    before, after = (
        onnxruntime.InferenceSession(str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        for name in ("fused", "written_out")
    )
    for sample in _samples.samples_of(model, SETTINGS):
        assert np.abs(before.run(None, sample)[0] - after.run(None, sample)[0]).max() < 1e-5


@pytest.mark.parametrize("kind", ["bottleneck", "prefix", "prompt"])
def test_what_was_added_to_a_model_is_exported_with_it(kind: str, tmp_path: Path) -> None:
    model = bert()
    if kind == "bottleneck":
        add_bottlenecks(model, 8)
    else:
        add_vectors(model, kind, 3)
    found = onnx_int8.quantize(trained(model.train(False)), tmp_path, PARAMS)
    assert found.max_logit_difference < 1e-5


def test_only_norms_of_tokens_that_give_nothing_else_are_written_out() -> None:
    graph = onnx.GraphProto()
    pooled, norms = ["attended", "first"], "SkipLayerNormalization"
    graph.node.extend(
        [
            onnx.helper.make_node("Attention", ["x", "w", "b"], ["attended"]),
            onnx.helper.make_node("Gather", pooled, ["pooled"]),
            onnx.helper.make_node(norms, ["pooled", "x", "gamma", "beta"], ["of_a_whole_text"], epsilon=1e-12),
            onnx.helper.make_node(norms, ["attended", "x", "gamma", "beta"], ["n", "", "", "sum"], epsilon=1e-12),
        ]
    )
    assert _norms.write_out_norms(graph) == 0
    assert [node.op_type for node in graph.node] == ["Attention", "Gather", norms, norms]


@pytest.mark.parametrize("make", [distilbert, roberta])
def test_other_known_architectures_are_as_their_shape_asks(make: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    found = onnx_int8.quantize(trained(make()), tmp_path, PARAMS)
    assert all(count.observed == count.expected for count in found.counts), found.counts
    assert observed(found)["fused Attention"] == 2
    assert found.max_logit_difference < 1e-5


def test_an_unknown_architecture_is_quantised_and_claims_no_fusion(tmp_path: Path) -> None:
    found = onnx_int8.quantize(trained(modernbert()), tmp_path, PARAMS)
    assert [count.expected for count in found.counts if count.name.startswith("fused")] == [None] * 4
    assert observed(found)["int8 matrix product"] > 0
    assert found.max_logit_difference < 1e-5


def test_the_float_graph_equals_torch_and_a_changed_torch_model_is_noticed(written: tuple[Path, Quantized]) -> None:
    out, found = written
    assert found.max_logit_difference < 1e-5
    other = bert()
    with torch.no_grad():
        other.get_submodule("bert.encoder.layer.1.attention.self.key").weight.mul_(3)
    assert _export.largest_difference(other, out / FLOAT_MODEL, _samples.samples_of(other, SETTINGS)) > 1e-4


def test_the_shapes_hold_single_and_padded_batches_up_to_the_longest() -> None:
    shapes = _samples.shapes(MAX_TOKENS)
    assert (1, 2) in shapes
    assert max(tokens for _, tokens in shapes) == MAX_TOKENS
    sample = _samples.token_sample(bert(), *max(shapes))
    assert sample["attention_mask"].sum(axis=1).min() < MAX_TOKENS
    assert (sample["input_ids"][sample["attention_mask"] == 0] == 0).all()


def test_padding_does_not_change_what_the_float_graph_says(written: tuple[Path, Quantized]) -> None:
    session = onnxruntime.InferenceSession(str(written[0] / FLOAT_MODEL), providers=["CPUExecutionProvider"])
    ids = np.array([[2, 9, 8, 3]], dtype=np.int64)
    bare = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    padded = {name: np.pad(array, ((0, 0), (0, 5))) for name, array in bare.items()}
    np.testing.assert_allclose(session.run(None, bare)[0], session.run(None, padded)[0], atol=1e-6)


def test_a_fusion_that_did_not_happen_is_seen() -> None:
    bare = onnx.helper.make_model(onnx.helper.make_graph([], "unfused", [], []))
    counts = onnx_int8.fusion_counts(bare, expected_fusions(BertConfig(**SHAPE)))
    assert [(count.observed, count.expected) for count in counts] == [(0, 2), (0, 2), (0, 4), (0, 1)]


def test_the_files_are_the_same_each_time_and_name_no_path(written: tuple[Path, Quantized], tmp_path: Path) -> None:
    onnx_int8.quantize(trained(bert()), tmp_path, PARAMS)
    content = (tmp_path / SMALL_MODEL).read_bytes()
    assert content == (written[0] / SMALL_MODEL).read_bytes()
    assert not [word for word in (b".py", b"site-packages", b"/home", b"/tmp", b"File ") if word in content]
    assert not list(onnx.load(tmp_path / SMALL_MODEL).metadata_props)


def weights_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {node.name: arrays[node.input[1]] for node in model.graph.node if node.op_type == "MatMulInteger"}


def test_the_options_reach_the_quantiser(written: tuple[Path, Quantized], tmp_path: Path) -> None:
    fused = onnx.load(written[0] / FLOAT_MODEL)
    full = onnx_int8._quantize(fused, tmp_path / SMALL_MODEL, PARAMS.model_copy(update={"reduce_range": False}))
    assert {array.dtype for array in weights_of(full).values()} == {np.dtype(np.int8)}
    assert max(np.abs(array.astype(int)).max() for array in weights_of(full).values()) > 64
    reduced = weights_of(onnx.load(written[0] / SMALL_MODEL))
    assert max(np.abs(array.astype(int)).max() for array in reduced.values()) <= 64
    coarse = onnx_int8._quantize(fused, tmp_path / SMALL_MODEL, PARAMS.model_copy(update={"per_channel": False}))
    assert any((weights_of(coarse)[name] != array).any() for name, array in reduced.items())


def test_the_model_attends_in_its_own_way_afterwards() -> None:
    model = bert()
    before = model.config._attn_implementation
    with _export.plain_attention(model):
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before


def test_a_model_that_torch_cannot_export_is_named() -> None:
    with pytest.raises(MachineError, match="cannot export a Undecided"):
        _export.export(Undecided(BertConfig(**SHAPE)), SETTINGS)


def test_a_model_too_large_for_one_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_export, "ONNX_LIMIT", 1000)
    with pytest.raises(MachineError, match="at most 1000 fit"):
        _export.export(bert(), SETTINGS)
