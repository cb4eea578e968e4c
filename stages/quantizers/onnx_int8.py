"""Dynamic int8 for onnxruntime: weights are stored as int8, activations are scaled as they come.

Convolutions stay in float: onnxruntime's int8 kernel for them is slower than float on a CPU. A ConvNeXt of 28 M weights
answers for a picture of 224 x 224 pixels, on one core with AVX-512, in 197 ms in float, 326 ms with int8 convolutions
and 99 ms without; calibrated beforehand (static, all int8) in 120 ms, and further from float than without them.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stages.quantizers import Count, Quantized, Trained
from stages.shared.errors import ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    import onnx
    from transformers import PreTrainedModel

FLOAT_MODEL, SMALL_MODEL = "float.onnx", "model.onnx"
Expected = dict[str, int | None]
PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}  # else the quantiser asks for the fusion that was just done


class Params(Choice):
    """Options of the quantiser: how finely weights are scaled, and how many of their 8 bits are used."""

    name: Literal["onnx_int8"]
    per_channel: bool
    reduce_range: bool


def _expected_or_none(expected: Expected, name: str) -> int | None:
    return expected.get(name, 0) if expected else None


def fusion_counts(fused: onnx.ModelProto, expected: Expected) -> list[Count]:
    """How many nodes of each fused kind there are."""
    from stages.quantizers._fusion import FUSED, node_counts

    found = node_counts(fused)
    return [Count(f"fused {name}", found[name], _expected_or_none(expected, name)) for name in FUSED]


def expected_products(model: PreTrainedModel, expected: Expected, head: str | None) -> int | None:
    """How many matrix products with a weight are no part of an attention; None where the layers do not tell.

    Args:
        model: whose layers are counted, GPT-2's among them. A fused attention takes in three: of queries, keys, values.
        expected: the fused nodes that a model of this shape has, empty if unknown, None for what only its head decides.
        head: as `stages.shared.headed` names it. Below "last" a decoder runs each of its layers once, unless it has
            weights that are no layer's, as those of experts.
    """
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    layers = [module for module in model.modules() if isinstance(module, Linear | Conv1D)]
    if expected:
        return None if None in expected.values() else len(layers) - 3 * (expected["Attention"] or 0)
    tables = [module for module in model.modules() if isinstance(module, Embedding)]
    named = {id(module.weight) for module in [*layers, *tables]}
    whole = all(id(weight) in named for weight in model.parameters() if weight.ndim > 1)
    return len(layers) if head == "last" and whole else None


def quantized_counts(small: onnx.ModelProto, fused: onnx.ModelProto, products: int | None) -> list[Count]:
    """How many nodes were quantised, and how many matrix products were left in float.

    Args:
        small, fused: the graph after and before.
        products: as `expected_products` gives them.
    """
    from onnx import TensorProto

    from stages.quantizers._fusion import dense_count, embedding_count, node_counts

    found, before = node_counts(small), node_counts(fused)
    embeddings = found["QEmbedLayerNormalization"] + embedding_count(small, (TensorProto.INT8, TensorProto.UINT8))
    tables = before["EmbedLayerNormalization"] + embedding_count(fused, (TensorProto.FLOAT,))
    kept = [Count("convolution left in float", found["Conv"], before["Conv"])] if before["Conv"] else []
    return [
        *kept,
        Count("int8 attention", found["QAttention"], before["Attention"]),
        Count("int8 matrix product", found["MatMulInteger"], products),
        Count("int8 embedding", embeddings, tables),
        Count("matrix product left in float", dense_count(small), 0),
    ]


def _quantize(fused: onnx.ModelProto, out: Path, params: Params) -> onnx.ModelProto:
    """Write model.onnx, and give it."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.registry import IntegerOpsRegistry

    from stages.quantizers._fusion import strip

    onnx.helper.set_model_props(fused, PREPARED)
    quantize_dynamic(
        fused,
        out,
        op_types_to_quantize=[name for name in IntegerOpsRegistry if name != "Conv"],
        per_channel=params.per_channel,
        reduce_range=params.reduce_range,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # fused nodes have no inferred type
    )
    small = onnx.load(out)
    strip(small)
    onnx.save(small, out)
    return small


def export_fused(model: PreTrainedModel, settings: Mapping[str, Any]) -> onnx.ModelProto:
    """The model as an ONNX graph: fused where its architecture is known, as it comes where it is not."""
    from stages.quantizers._export import export, plain_attention
    from stages.quantizers._fusion import fold_transposes, fuse, is_known, strip

    if is_known(model.config):
        with plain_attention(model):
            graph = fuse(export(model, settings), model.config)
    else:
        graph = export(model, settings)
    fold_transposes(graph.graph)
    strip(graph)
    return graph


def check(task: Any) -> None:
    """Raise ParamsError where the task writes text."""
    if "writes" in task.settings():
        raise ParamsError(
            "quantize.method: onnx_int8: it is for models that answer in one pass, and those of the task "
            f"'{task.settings()['task']}' write text. Set quantize.method to {{name: ctranslate2_int8}}."
        )


def quantize(trained: Trained, out: Path, params: Params) -> Quantized:
    """Export, fuse and quantise a model; see the contract."""
    import onnx

    from stages.quantizers._export import largest_difference
    from stages.quantizers._fusion import expected_fusions
    from stages.quantizers._norms import write_out_norms
    from stages.quantizers._samples import samples_of
    from stages.shared.added import description_of
    from stages.shared.averaged import Averaged
    from stages.shared.headed import Headed

    model, settings = trained.model, trained.settings
    usual = None if model.get_output_embeddings() is None else "words"  # type: ignore[no-untyped-call]
    head = model.description["head"] if isinstance(model, Headed) else usual
    has_more = isinstance(model, Averaged) or bool(description_of(model))  # than its architecture says
    expected = {} if has_more else expected_fusions(model.config, head)
    model.train(False)
    fused = export_fused(model, settings)
    fusions = fusion_counts(fused, expected)
    write_out_norms(fused.graph)
    onnx.save(fused, out / FLOAT_MODEL)
    small = _quantize(fused, out / SMALL_MODEL, params)
    samples = samples_of(model, settings)
    products = expected_products(model, expected, head)
    return Quantized(
        large=FLOAT_MODEL,
        small=SMALL_MODEL,
        max_logit_difference=largest_difference(model, out / FLOAT_MODEL, samples),
        shapes=len(samples),
        counts=[*fusions, *quantized_counts(small, fused, products)],
    )
